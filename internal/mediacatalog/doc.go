// Package mediacatalog keeps tapectl's media catalog: which tape, label and data set hold what, created when, expiring
// when, in which state, encrypted for which certificate, and where the tape is. It is one SQLite file with DPM's names
// for the tables and columns that DPM has (docs: reference "DPMDB schema"), and tables in the same style of name for
// the rest.
//
// What is promised:
//   - What a method acknowledged is on disk (synchronous=FULL): a commit point is never lost to a crash.
//   - A catalog is created whole or not at all; a file that is no catalog, is damaged, or was written by a newer
//     version is refused and left untouched.
//   - A Catalog is safe for several goroutines, and one file for several processes at once.
//   - Times are UTC, whole microseconds since 1970 inside, time.Time in Go, ISO 8601 in Query. The zero time, 0, ""
//     and -1 for element addresses mean "not known" and are NULL in the file.
//   - Identifiers are UUIDs in lower case text; methods that add a row make one where the caller gave none.
//
// All SQL of the program stands in this package. Where it leans on SQLite alone a note says so.
package mediacatalog
