// Package e2e runs the program as an operator does: the built tapectl, on a virtual library, on tgt over iSCSI, and on the
// /dev/sg* devices of a kernel. The same suite runs on all three.
package e2e
