// Package vlib is a virtual tape library in a folder: a medium changer and tape drives that behave like spec-conformant
// hardware, over cartridges that are files.
//
// It is driven through the same CDBs as real hardware: [Library.Changer] and [Library.Drive] give a [scsi.Transport]
// each, so the drivers, the workflows and the operator's training run on it unchanged. What a human does at the machine
// (mail slot, door, barcode labels, power switch) is a method of [Library]; what real hardware does wrong is data:
// [Quirks] for how it deviates always, [Fault] for what breaks when, [Timing] for how long things take.
//
// All state is in the folder and survives the process. Several processes may use one folder at once: each device has a
// lock file, commands to one device run one after the other, and a move holds the changer and the drive. A process that
// is killed at any moment leaves a library that opens: a cartridge's move is one write of one record, and the torn tail
// of a cartridge's data is dropped when it is loaded.
//
// The folder:
//
//	library.json           the Config with quirks and timing
//	cartridges.tab         one fixed-size record for each cartridge: where it is, label, capacity
//	changer/, drive0/ ...  lock, state (binary, rewritten in place), faults.json
//	nexus/                 one locked file for each open transport, so that a killed process counts as a lost host
//	cartridges/00001/ ...  data (blocks, appended), index (a record for each block and filemark), memory.json (MAM)
package vlib
