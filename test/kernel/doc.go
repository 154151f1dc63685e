// Package kernel holds the tests that need the SCSI devices of a Linux kernel: /dev/sg*, /dev/nst* and /dev/sch* over the
// library of test/lab/vtl. test/lab/kernel-vm boots a kernel that has them; `make test-kernel` does all of it.
package kernel
