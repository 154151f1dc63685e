package backup

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"tapectl/internal/library"
	"tapectl/internal/mediacatalog"
	"tapectl/internal/mtf"
)

// target is a mounted tape that a data set can be written to now, positioned where it begins.
type target struct {
	mount  *library.Mount
	media  mediacatalog.Media
	number uint16 // of the data set
	object uint64 // logical object number where it begins
	setMap []mtf.SetMapEntry
}

// NoTapeError says that no tape of the library can take a copy, and why each does not do.
type NoTapeError struct {
	Library, Label string
	Reasons        []error // one for each tape that was tried
}

// Unwrap gives the reasons.
func (e *NoTapeError) Unwrap() []error { return e.Reasons }

// RefusedError says that a tape was not written to, to protect what is on it.
type RefusedError struct {
	Barcode, Label string
	Why            string
	Err            error // the cause where there is one, else nil
}

// Error names the tape and the reason.
func (e *RefusedError) Error() string {
	s := fmt.Sprintf("write to tape %s (%q): refused to protect its data: %s", e.Barcode, e.Label, e.Why)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// Error tells what was looked for and what was found instead.
func (e *NoTapeError) Error() string {
	s := fmt.Sprintf("find a tape in library %s for label %q: there is no own tape with room and no free tape", e.Library, e.Label)
	for _, r := range e.Reasons {
		s += "; " + r.Error()
	}
	return s + "; put in blank tapes and run `tapectl inventory`"
}

// labelFor is the label of the n-th copy.
func (j *job) labelFor(n int) string {
	base := j.Label
	if base == "" {
		base = j.Name
	}
	base = strings.ReplaceAll(base, "|", "!")
	if j.Copies == 1 && j.Label != "" {
		return base
	}
	return fmt.Sprintf("%s-Copy%d", base, n)
}

// sameLabel reports whether a tape's label is the one, or the one with the number that tapes after the first get.
func sameLabel(have, label string) bool {
	number, ok := strings.CutPrefix(have, label)
	return ok && (number == "" || len(number) == 9 && number[0] == '-' && strings.Trim(number[1:], "0123456789") == "")
}

// freeLabel is the label for a new tape: the label itself, or with the next number of eight digits when there is a tape with it,
// so that a label names one tape.
func (j *job) freeLabel(ctx context.Context, label, mediaID string) (string, error) {
	media, err := j.catalog.ListMedia(ctx, mediacatalog.MediaFilter{})
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, m := range media {
		taken[m.Label] = taken[m.Label] || m.MediaID != mediaID
	}
	free := label
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%08d", label, n)
	}
	return free, nil
}

// chooseTarget finds a tape for the n-th copy, mounts and checks it, and labels it when it is free. Own tapes with the
// label come first, then those known to be free, then those that nobody has looked at, which are used when they are blank.
func (j *job) chooseTarget(ctx context.Context, n int) (*target, error) {
	label := j.labelFor(n)
	media, err := j.catalog.ListMedia(ctx, mediacatalog.MediaFilter{LibraryID: j.library.Record().LibraryID, Online: true})
	if err != nil {
		return nil, err
	}
	none := &NoTapeError{Library: j.library.Name(), Label: label}
	for _, pass := range []func(mediacatalog.Media) bool{
		func(m mediacatalog.Media) bool { return j.appendable(m, label) },
		func(m mediacatalog.Media) bool {
			return m.State == mediacatalog.StateFree || m.State == mediacatalog.StateBlank || j.labelledOnly(m)
		},
		func(m mediacatalog.Media) bool { return m.State == mediacatalog.StateUnknown },
	} {
		for _, m := range media {
			if j.used[m.MediaID] || m.Cleaning || !pass(m) {
				continue
			}
			t, err := j.try(ctx, m, label)
			if t != nil {
				return t, nil
			}
			if j.fatal(ctx, err) {
				return nil, err
			}
			none.Reasons = append(none.Reasons, err)
			j.note(ctx, m, err)
		}
	}
	return nil, none
}

// mostWriteFailures is how many tapes a backup tries to label that cannot be written: after that it is not the tapes.
const mostWriteFailures = 2

// fatal reports whether there is no sense in trying another tape.
func (j *job) fatal(ctx context.Context, err error) bool {
	var noDrive *library.NoDriveError
	var unreachable *library.UnreachableError
	var lost *library.LeaseLostError
	var move *library.MoveError
	var label *labelError
	if errors.As(err, &label) {
		j.writeFailures++
	}
	return ctx.Err() != nil || errors.As(err, &noDrive) || errors.As(err, &unreachable) || errors.As(err, &lost) ||
		errors.As(err, &move) && move.Outcome != library.NotMoved || j.writeFailures >= mostWriteFailures
}

// note tells the operator that a tape was passed over, and keeps it among the catalog's events.
func (j *job) note(ctx context.Context, m mediacatalog.Media, err error) {
	j.result.Notes = append(j.result.Notes, err.Error())
	j.log.Warn("tape passed over", "barcode", m.Barcode, "error", err)
	e := mediacatalog.Event{
		EventDate: time.Now(), Kind: "tape passed over", Severity: "warning", MediaID: m.MediaID, ElementAddress: -1, Barcode: m.Barcode, Message: err.Error(),
	}
	if err := j.catalog.AddEvents(ctx, e); err != nil {
		j.log.Warn("keep an event", "error", err)
	}
}

// appendable reports whether the tape is one's own with the label and, as far as known, has room.
func (j *job) appendable(m mediacatalog.Media, label string) bool {
	return m.State == mediacatalog.StateActive && sameLabel(m.Label, label) && m.DomainID == domainID(j.catalog.Server()) &&
		!m.Full && !m.AppendUncertain && m.LastSetNumber > 0 &&
		(m.CapacityBytes == 0 || j.total < 0 || m.UsedBytes+j.total <= m.CapacityBytes)
}

// try mounts a tape and gets it ready for a data set. When the tape does not do it is put back, and the error says why.
func (j *job) try(ctx context.Context, m mediacatalog.Media, label string) (*target, error) {
	mount, err := j.library.Mount(ctx, library.MountRequest{Element: m.ElementAddress, Write: true, MediaType: m.MediaType})
	if err != nil {
		return nil, err
	}
	t := &target{mount: mount, media: m}
	if m.State == mediacatalog.StateActive && !j.labelledOnly(m) {
		err = j.openForAppend(ctx, t)
	} else {
		err = j.openFree(ctx, t, label)
	}
	if err == nil {
		return t, nil
	}
	return nil, errors.Join(err, mount.Dismount(ctx))
}

// writable refuses media that the drive would not write.
func (t *target) writable(ctx context.Context) error {
	status, err := t.mount.Status(ctx)
	if err != nil {
		return err
	}
	if status.WriteProtected {
		return fmt.Errorf("tape %s is write protected", t.media.Barcode)
	}
	return nil
}

// openForAppend makes sure that label, domain, set number, last end of set and position are what the catalog says, and
// leaves the tape where the next data set begins.
func (j *job) openForAppend(ctx context.Context, t *target) error {
	if err := t.writable(ctx); err != nil {
		return err
	}
	header, err := t.mount.VerifyLabel(ctx, t.media)
	if err != nil {
		j.recordWrongTape(ctx, t, err)
		return err
	}
	if t.media.BlockSize != header.PhysicalBlock {
		return refuse(t.media, fmt.Sprintf("its blocks are %d bytes, the catalog says %d", header.PhysicalBlock, t.media.BlockSize))
	}
	sets, err := j.catalog.Datasets(ctx, mediacatalog.DatasetFilter{MediaID: t.media.MediaID})
	if err != nil {
		return err
	}
	last := lastSet(sets)
	if last == nil || last.SetNumber != t.media.LastSetNumber || last.ESETObject == 0 {
		return refuse(t.media, "the catalog does not know the end of its last data set")
	}
	end, err := j.readLastEnd(ctx, t.mount, header, last.ESETObject)
	if err != nil {
		return &RefusedError{Barcode: t.media.Barcode, Label: t.media.Label, Why: "the end of its last data set cannot be read", Err: err}
	}
	switch {
	case end.SetMapError != nil:
		return &RefusedError{Barcode: t.media.Barcode, Label: t.media.Label, Why: "its set map cannot be read", Err: end.SetMapError}
	case len(end.SetMap) != int(last.SetNumber):
		return refuse(t.media, fmt.Sprintf("its set map has %d data sets, the catalog %d", len(end.SetMap), last.SetNumber))
	case end.SetNumber != last.SetNumber:
		return refuse(t.media, fmt.Sprintf("its last data set is number %d, the catalog says %d", end.SetNumber, last.SetNumber))
	case end.NextObject != t.media.NextObject:
		return refuse(t.media, fmt.Sprintf("its data ends at object %d, the catalog says %d", end.NextObject, t.media.NextObject))
	case end.EndOfFamily:
		return refuse(t.media, "its set map is closed")
	}
	t.number, t.object, t.setMap = last.SetNumber+1, end.NextObject, end.SetMap
	return nil
}

// readLastEnd reads the end of the last data set and makes sure that nothing follows it. The tape is then positioned
// for the next data set.
func (j *job) readLastEnd(ctx context.Context, mount *library.Mount, header *mtf.MediaHeader, object uint64) (*mtf.SetEnd, error) {
	r := mount.Reader()
	defer r.Close()
	if err := r.Locate(ctx, object); err != nil {
		return nil, err
	}
	end, err := mtf.ReadSetEnd(ctx, r, mtf.CatalogOptions{PhysicalBlock: header.PhysicalBlock, FormatLogical: int(header.FormatLogicalBlock)})
	if err != nil {
		return nil, err
	}
	_, err = r.ReadBlock(ctx, make([]byte, header.PhysicalBlock))
	if !errors.Is(err, mtf.ErrEndOfData) {
		return nil, fmt.Errorf("something follows it at object %d", end.NextObject)
	}
	return end, nil
}

// refuse says why a tape is not written to.
func refuse(m mediacatalog.Media, why string) error {
	return &RefusedError{Barcode: m.Barcode, Label: m.Label, Why: why}
}

// lastSet returns the data set with the highest number. Failed ones do not count: nothing of them was written, or their tape
// is not appended to.
func lastSet(sets []mediacatalog.Dataset) *mediacatalog.Dataset {
	var last *mediacatalog.Dataset
	for i := range sets {
		if sets[i].SetState != mediacatalog.SetFailed && (last == nil || sets[i].SetNumber > last.SetNumber) {
			last = &sets[i]
		}
	}
	return last
}

// labelledOnly reports whether the tape is one's own and has a label and nothing behind it, as a backup leaves it that ended
// before its data set began.
func (j *job) labelledOnly(m mediacatalog.Media) bool {
	return m.State == mediacatalog.StateActive && m.DomainID == domainID(j.catalog.Server()) && m.LastSetNumber == 0 && !m.AppendUncertain
}

// nothingBehindLabel makes sure on the tape itself that labelledOnly is true.
func (j *job) nothingBehindLabel(ctx context.Context, t *target, found *library.Label) bool {
	if !j.labelledOnly(t.media) || found.Header == nil || !strings.EqualFold(found.Header.Label.MediaID, t.media.OnMediaID) {
		return false
	}
	r := t.mount.Reader()
	defer r.Close()
	if err := r.Locate(ctx, found.Header.NextObject); err != nil {
		return false
	}
	_, err := r.ReadBlock(ctx, make([]byte, max(found.Header.PhysicalBlock, mtf.DefaultFormatLogicalBlock)))
	return errors.Is(err, mtf.ErrEndOfData)
}

// openFree reads the label of a tape that is free or that nobody has looked at, refuses it unless it is blank or has nothing but
// one's own label, and labels it.
func (j *job) openFree(ctx context.Context, t *target, label string) error {
	if err := t.writable(ctx); err != nil {
		return err
	}
	found, err := t.mount.ReadLabel(ctx)
	if err != nil {
		return err
	}
	if !found.Blank && !j.nothingBehindLabel(ctx, t, found) {
		j.recordLabel(ctx, t, found)
		return fmt.Errorf("tape %s is not blank: on it is %s; it was left alone", t.media.Barcode, found)
	}
	if err := j.noValidData(ctx, t.media); err != nil {
		return err
	}
	return j.label(ctx, t, label)
}

// noValidData refuses a tape that the catalog knows valid data sets of, whatever its state says.
func (j *job) noValidData(ctx context.Context, m mediacatalog.Media) error {
	sets, err := j.catalog.Datasets(ctx, mediacatalog.DatasetFilter{MediaID: m.MediaID, LifeStatus: mediacatalog.Valid})
	if err != nil {
		return err
	}
	for _, s := range sets {
		if s.SetState != mediacatalog.SetFailed {
			return refuse(m, fmt.Sprintf("the catalog knows %d valid data sets on it", len(sets)))
		}
	}
	return nil
}

// recordLabel keeps what was read from a tape that is not ours to write.
func (j *job) recordLabel(ctx context.Context, t *target, found *library.Label) {
	if err := t.mount.RecordLabel(ctx, j.catalog, t.media.MediaID, found); err != nil {
		j.log.Warn("record the label of a tape", "barcode", t.media.Barcode, "error", err)
	}
}

// recordWrongTape keeps what was found on a tape that is not what the catalog says.
func (j *job) recordWrongTape(ctx context.Context, t *target, err error) {
	var wrong *library.WrongTapeError
	if !errors.As(err, &wrong) {
		return
	}
	if found, err := t.mount.ReadLabel(ctx); err == nil {
		j.recordLabel(ctx, t, found)
	}
}

// labelError says that a tape could not be labelled: it, or the drive, cannot be written.
type labelError struct {
	Barcode string
	Err     error
}

// Error names the tape.
func (e *labelError) Error() string {
	return fmt.Sprintf("label tape %s: %v; the tape is marked Suspect and not tried again", e.Barcode, e.Err)
}

// Unwrap gives the cause.
func (e *labelError) Unwrap() error { return e.Err }

// label writes the media header and makes the tape one's own.
func (j *job) label(ctx context.Context, t *target, label string) error {
	block, err := j.blockSize(t.mount)
	if err != nil {
		return err
	}
	label, err = j.freeLabel(ctx, label, t.media.MediaID)
	if err != nil {
		return err
	}
	header := j.header(label)
	if err := t.mount.Rewind(ctx); err != nil {
		return err
	}
	// From the first write on the catalog must learn what is on the tape, even when the caller gives up meanwhile.
	ctx = context.WithoutCancel(ctx)
	w := library.NewTapeWriter(t.mount, 0, block, 2)
	err = mtf.WriteMediaHeader(ctx, w, block, header)
	if err == nil {
		err = w.Sync(ctx)
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_, uerr := j.catalog.UpdateMedia(ctx, t.media.MediaID, func(m *mediacatalog.Media) error {
			m.State, m.AppendUncertain = mediacatalog.StateSuspect, true
			return nil
		})
		return errors.Join(&labelError{Barcode: t.media.Barcode, Err: err}, uerr)
	}
	if _, err := j.catalog.RemoveDatasets(ctx, t.media.MediaID, false); err != nil {
		return err
	}
	memory := t.mount.Memory(ctx)
	t.media, err = j.catalog.UpdateMedia(ctx, t.media.MediaID, func(m *mediacatalog.Media) error {
		m.Label, m.OnMediaID, m.DomainID = label, header.Label.MediaID, header.Label.DomainID
		m.FamilyID, m.BlockSize, m.CreatedDate = header.FamilyID, block, header.Date
		m.State, m.Format, m.Software = mediacatalog.StateActive, "MTF", j.Software+" "+j.Version
		m.NextObject, m.LastSetNumber, m.UsedBytes, m.Full, m.AppendUncertain = w.Object(), 0, 0, false, false
		m.MediumSerial, m.CapacityBytes = memory.Serial, memory.Capacity
		return nil
	})
	if err != nil {
		return err
	}
	t.mount.WriteApplicationMemory(ctx, j.Software, j.Version, label)
	t.number, t.object = 1, w.Object()
	return nil
}

// header makes the media header of a new tape. The family id is random (MTF 1.00a, TAPE).
func (j *job) header(label string) mtf.MediaHeader {
	var family [4]byte
	rand.Read(family[:]) //nolint:errcheck // never fails: crypto/rand
	now := time.Now().UTC()
	return mtf.MediaHeader{
		FamilyID: binary.LittleEndian.Uint32(family[:]), Sequence: 1, Software: j.Software + " " + j.Version, Date: now, CatalogType: 1,
		Label: mtf.MediaLabel{
			Vendor: j.Software, Product: j.Version, Stamp: now, CartridgeLabel: label, Side: "0",
			MediaID: "{" + uuid.NewString() + "}", DomainID: domainID(j.catalog.Server()),
		},
	}
}

// domainID is the media domain id of the server's tapes as it stands in their labels.
func domainID(s mediacatalog.Server) string { return "{" + s.ServerID + "}" }

// blockSize returns the block size for a new tape, within what drive and transport take.
func (j *job) blockSize(m *library.Mount) (int, error) {
	limits := m.BlockLimits()
	size := j.BlockSize
	if limits.Maximum > 0 && size > limits.Maximum {
		size = limits.Maximum &^ (mtf.DefaultFormatLogicalBlock - 1)
	}
	if size < mtf.DefaultFormatLogicalBlock || size%mtf.DefaultFormatLogicalBlock != 0 || size > mtf.MaxPhysicalBlock {
		return 0, fmt.Errorf("a block size of %d bytes cannot be used: the drive takes %d to %d, and it must be a multiple of %d",
			j.BlockSize, limits.Minimum, limits.Maximum, mtf.DefaultFormatLogicalBlock)
	}
	return size, nil
}
