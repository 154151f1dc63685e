// Package library pairs a medium changer with its tape drives and moves cartridges without ever losing track of one.
//
// A [Host] opens devices by address. [Discover] finds what belongs to a changer, [Open] takes a library of the catalog
// into use under a lease, and a [Library] moves tapes, mounts them ready for reading or writing, verifies what was
// mounted and puts it back. [TapeWriter] and [TapeReader] connect a mounted tape to package mtf.
//
// Rules kept here (docs/design.md section 3): the state of source, destination and picker is read again after every
// move, successful or not; an unknown outcome is a state of its own; a drive is unloaded before its tape is
// moved; one process uses a library at a time.
package library
