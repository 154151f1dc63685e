// Package library pairs a medium changer with its tape drives and moves cartridges without ever losing track of one.
//
// A [Host] opens devices by address. [Discover] finds what belongs to a changer, [Open] takes a library of the catalog
// into use under a lease, and a [Library] moves tapes, mounts them ready for reading or writing, verifies what was
// mounted and puts it back. [TapeWriter] and [TapeReader] connect a mounted tape to package mtf.
//
// A library without a changer is a stand-alone drive: it is shown as one element, and a person moves the tapes. All waits
// and retries are listed in retry.go.
//
// Rules kept here (docs/design.md section 3): the state of source, destination and picker is read again after every
// move, successful or not; an unknown outcome is a state of its own; a drive is unloaded before its tape is moved; one
// process uses a library at a time, and stops moving and writing when it has lost it ([Library.Held]).
package library
