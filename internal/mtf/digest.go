package mtf

import "crypto/sha256"

// SHA256 is the digest of the current file's data as far as it was read, and zero when Next has returned no file. Behind a nil
// error of WriteTo it is the digest of the whole file, and equals the one on the medium where there is one.
func (s *SetReader) SHA256() (sum [sha256.Size]byte) {
	if s.file != nil {
		s.file.hash.Sum(sum[:0])
	}
	return sum
}
