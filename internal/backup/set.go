package backup

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
)

const (
	// commitBytes and commitTime are the longest that data is on its way without a commit point (docs/design.md, decision 9).
	commitBytes = 4 << 30
	commitTime  = time.Minute
	// commitObjects bounds how many objects wait in memory for a commit point.
	commitObjects = 20000
	// queueBytes is how much data waits for the drive at most. It must fit behind the drive's early warning.
	queueBytes = 4 << 20
)

// setJob writes one data set: it is the visitor of the sources.
type setJob struct {
	*job
	copy    int
	target  *target
	ctx     context.Context // ends with the caller's, or when the data set must end
	cancel  context.CancelCauseFunc
	tape    *library.TapeWriter
	set     *mtf.SetWriter
	dataset mediacatalog.Dataset
	input   io.Reader   // standard input
	buffers chan []byte // that sources are read ahead into
	// contents is a digest over names, sizes and digests of the objects.
	contents hash.Hash

	volumePath string
	current    string                // path of the object being read
	objects    []mediacatalog.Object // that wait for a commit point
	ends       []uint64              // of each, how many blocks of the data set hold it and what is before it
	files      int64
	corrupt    int64
	bytes      int64 // read from the sources
	lastCommit time.Time
	atCommit   int64  // bytes read from the sources at the last commit point
	recorded   int64  // bytes of the objects that are in the catalog
	safeObject uint64 // last commit point: objects of the tape below it are safe
	safeBytes  int64  // and so many bytes of the data
}

// writeSet writes the data set of a copy to its mounted tape.
func (j *job) writeSet(ctx context.Context, c *mountedCopy) error {
	s := &setJob{job: j, copy: c.result.Number, target: c.target, input: c.stdin, buffers: newBuffers(), contents: sha256.New(), lastCommit: time.Now()}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	media := s.target.media
	var err error
	s.dataset, err = j.catalog.BeginDataset(ctx, mediacatalog.Dataset{
		RecoveryPointID: j.point.RecoveryPointID, CopyNumber: s.copy, MediaID: media.MediaID, SetNumber: s.target.number,
		SSETObject: s.target.object, ExpiryDate: j.Expires, BlockSize: media.BlockSize, Software: j.Software + " " + j.Version, Cataloged: true,
	})
	if err != nil {
		return err
	}
	s.tape = library.NewTapeWriter(s.target.mount, s.target.object, media.BlockSize, max(2, queueBytes/media.BlockSize))
	defer s.abandonLater(ctx)()
	werr := s.write()
	end, err := s.close(werr)
	r := &c.result
	r.DatasetID, r.State, r.Bytes, r.Files, r.CorruptFiles = s.dataset.DatasetID, end.State, end.Bytes, end.Files, end.CorruptFiles
	if end.State == mediacatalog.SetComplete {
		r.contents = s.contents.Sum(nil)
	}
	return err
}

// abandonTime is how long a backup that was interrupted waits for the data set to be closed. A drive that is still flushing then is
// given up with one that does not answer at all: the end of the tape's data is uncertain, what was committed is not.
const abandonTime = 10 * time.Minute

// abandonLater gives the drive up when it has not closed the data set for so long after ctx has ended. The caller calls the function
// that it returns when the data set is closed.
func (s *setJob) abandonLater(ctx context.Context) (done func()) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(abandonTime)
		defer timer.Stop()
		select {
		case <-closed:
		case <-timer.C:
			s.tape.Abandon()
		}
	})
	return func() {
		close(closed)
		stop()
	}
}

// write writes the body of the data set.
func (s *setJob) write() error {
	var err error
	s.set, err = mtf.NewSetWriter(s.ctx, s.tape, mtf.SetOptions{
		PhysicalBlock: s.target.media.BlockSize, FamilyID: s.target.media.FamilyID, Sequence: 1, SetNumber: s.target.number,
		SSETObject: s.target.object, Name: s.Name, Description: fmt.Sprintf("copy %d of recovery point %s", s.copy, s.point.RecoveryPointID),
		User: user(), Machine: s.point.Server, Created: s.point.CreationDate.Local(), SetMap: s.target.setMap,
	})
	if err != nil {
		return err
	}
	for _, src := range s.sources {
		if src.path == Stdin {
			src.stdin = s.input
		}
		if err := src.walk(s.ctx, s); err != nil {
			return err
		}
	}
	return context.Cause(s.ctx)
}

// user is the name of the account for the data set's header; "" when the system does not tell.
func user() string { return os.Getenv("USER") }

// volume, directory, file, stdin and skip make setJob the visitor of the sources.

func (s *setJob) volume(path string) error {
	s.volumePath = path
	err := s.set.Volume(s.ctx, mtf.VolumeEntry{Device: path, Machine: s.point.Server, Created: s.point.CreationDate.Local()})
	if err != nil {
		return err
	}
	return s.add(mediacatalog.Object{Path: path, FileSpec: s.Name, Kind: mediacatalog.KindVolume})
}

func (s *setJob) directory(rel []string, info fs.FileInfo) error {
	meta, accessed := metadata(info)
	if err := s.set.Directory(s.ctx, mtf.DirectoryEntry{Path: rel, Meta: meta, Accessed: accessed}); err != nil {
		return err
	}
	if len(rel) == 0 {
		return nil
	}
	return s.add(mediacatalog.Object{
		Path: s.path(rel[:len(rel)-1]), FileSpec: rel[len(rel)-1], Kind: mediacatalog.KindDirectory, Modified: meta.ModTime,
	})
}

func (s *setJob) path(rel []string) string {
	return filepath.Join(append([]string{s.volumePath}, rel...)...)
}

func (s *setJob) file(path string, rel []string, info fs.FileInfo, open func() (io.ReadCloser, error)) error {
	name := rel[len(rel)-1]
	meta, accessed := metadata(info)
	entry := mtf.FileEntry{Name: name, Meta: meta, Accessed: accessed}
	if open == nil {
		link, err := os.Readlink(path)
		if err != nil {
			s.skip(SourceError{Path: path, Err: err})
			return nil
		}
		entry.LinkTarget = link
		return s.put(path, rel, entry, 0, strings.NewReader(""), mediacatalog.KindFile)
	}
	f, err := open()
	if err != nil {
		s.skip(SourceError{Path: path, Err: err})
		return nil
	}
	defer f.Close()
	if info.Size() < aheadFrom {
		return s.put(path, rel, entry, info.Size(), f, mediacatalog.KindFile)
	}
	ahead := startAhead(f, s.buffers)
	defer ahead.stop()
	return s.put(path, rel, entry, info.Size(), ahead, mediacatalog.KindFile)
}

func (s *setJob) stdin(name string, r io.Reader) error {
	entry := mtf.FileEntry{Name: name, Meta: mtf.Metadata{Mode: 0o100600, ModTime: time.Now().UTC()}}
	return s.put("standard input", []string{name}, entry, -1, r, mediacatalog.KindStream)
}

func (s *setJob) skip(e SourceError) {
	s.log.Warn("skip", "path", e.Path, "error", e.Err)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.result.Skipped {
		if other.Error() == e.Error() {
			return // another copy has met it too
		}
	}
	s.result.Skipped = append(s.result.Skipped, e)
}

// put writes one file and remembers it for the catalog.
func (s *setJob) put(path string, rel []string, entry mtf.FileEntry, size int64, r io.Reader, kind string) error {
	if err := s.mustEnd(); err != nil {
		return err
	}
	s.current = path
	s.report()
	fr, err := s.set.File(s.ctx, entry, size, &sourceReader{set: s, from: r})
	if err != nil {
		return err
	}
	s.files++
	o := mediacatalog.Object{
		Path: s.path(rel[:len(rel)-1]), FileSpec: entry.Name, Kind: kind, Size: int64(fr.Bytes), Modified: entry.Meta.ModTime,
		SHA256: fr.SHA256[:], FLA: fr.FLA, Corrupt: fr.Corrupt, CorruptFrom: int64(fr.CorruptFrom),
	}
	s.noteSource(path, size, fr)
	if err := s.add(o); err != nil {
		return err
	}
	return s.mustEnd()
}

// noteSource tells the operator when a file was not what it was at the beginning.
func (s *setJob) noteSource(path string, size int64, fr mtf.FileResult) {
	switch {
	case fr.Corrupt && size < 0:
		s.corrupt++
		s.skip(SourceError{Path: path, Err: fmt.Errorf("ended after %d bytes with an error: %w; it is marked corrupt on the tape", fr.CorruptFrom, fr.SourceError)})
	case fr.Corrupt && fr.SourceError != nil:
		s.corrupt++
		s.skip(SourceError{Path: path, Err: fmt.Errorf("could be read only up to byte %d of %d: %w; it is marked corrupt on the tape", fr.CorruptFrom, size, fr.SourceError)})
	case fr.Corrupt:
		s.corrupt++
		s.skip(SourceError{Path: path, Err: fmt.Errorf("became shorter while it was read: %d of %d bytes; it is marked corrupt on the tape", fr.CorruptFrom, size)})
	case fr.Grew:
		s.skip(SourceError{Path: path, Err: fmt.Errorf("grew while it was read: its first %d bytes are on the tape", size)})
	}
}

// add remembers an object until the next commit point.
func (s *setJob) add(o mediacatalog.Object) error {
	fmt.Fprintf(s.contents, "%q %q %d %x\n", o.Path, o.FileSpec, o.Size, o.SHA256)
	s.objects = append(s.objects, o)
	s.ends = append(s.ends, s.set.BlocksWritten()+1) // the block that is being filled counts
	if len(s.objects) >= commitObjects {
		return s.commit()
	}
	return nil
}

// mustEnd returns why the data set must end now: the caller gave up, or the tape comes to its end.
func (s *setJob) mustEnd() error {
	if s.tape.EarlyWarning() {
		s.cancel(ErrTapeFull)
	}
	return context.Cause(s.ctx)
}

func (s *setJob) report() {
	if s.Progress != nil {
		s.Progress(Progress{
			Copy: s.copy, Copies: s.Copies, Barcode: s.target.media.Barcode, Path: s.current,
			Bytes: s.bytes, Total: s.total, Files: s.files,
		})
	}
}

// sourceReader counts what is read from a source, and looks after commit points and the end of the tape while a long file is
// read.
type sourceReader struct {
	set  *setJob
	from io.Reader
}

// Read reads from the source. When the data set must end it returns that as an error; the set writer sees the end of
// the context then.
func (r *sourceReader) Read(p []byte) (int, error) {
	s := r.set
	if err := s.mustEnd(); err != nil {
		return 0, err
	}
	if s.bytes-s.atCommit >= s.commitBytes || time.Since(s.lastCommit) >= commitTime {
		if err := s.commit(); err != nil {
			s.cancel(err)
			return 0, err
		}
	}
	n, err := r.from.Read(p)
	s.bytes += int64(n)
	s.report()
	return n, err
}
