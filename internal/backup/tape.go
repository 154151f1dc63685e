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
	Reasons        []string
}

// Error tells what was looked for and what was found instead.
func (e *NoTapeError) Error() string {
	s := fmt.Sprintf("find a tape in library %s for label %q: there is no own tape with room and no free tape", e.Library, e.Label)
	for _, r := range e.Reasons {
		s += "; " + r
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
			return m.State == mediacatalog.StateFree || m.State == mediacatalog.StateBlank
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
			if fatal(ctx, err) {
				return nil, err
			}
			none.Reasons = append(none.Reasons, err.Error())
		}
	}
	return nil, none
}

// fatal reports whether there is no sense in trying another tape.
func fatal(ctx context.Context, err error) bool {
	var noDrive *library.NoDriveError
	var unreachable *library.UnreachableError
	var move *library.MoveError
	return ctx.Err() != nil || errors.As(err, &noDrive) || errors.As(err, &unreachable) ||
		errors.As(err, &move) && move.Outcome != library.NotMoved
}

// appendable reports whether the tape is one's own with the label and, as far as known, has room.
func (j *job) appendable(m mediacatalog.Media, label string) bool {
	return m.State == mediacatalog.StateActive && m.Label == label && m.DomainID == domainID(j.catalog.Server()) &&
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
	if m.State == mediacatalog.StateActive {
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
		return refuse(t.media, fmt.Sprintf("the end of its last data set cannot be read: %v", err))
	}
	switch {
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
	return fmt.Errorf("write to tape %s (%q): refused to protect its data: %s", m.Barcode, m.Label, why)
}

// lastSet returns the data set with the highest number.
func lastSet(sets []mediacatalog.Dataset) *mediacatalog.Dataset {
	var last *mediacatalog.Dataset
	for i := range sets {
		if last == nil || sets[i].SetNumber > last.SetNumber {
			last = &sets[i]
		}
	}
	return last
}

// openFree reads the label of a tape that is free or that nobody has looked at, refuses it unless it is blank (or known
// to be free and still what the catalog says), and labels it.
func (j *job) openFree(ctx context.Context, t *target, label string) error {
	if err := t.writable(ctx); err != nil {
		return err
	}
	found, err := t.mount.ReadLabel(ctx)
	if err != nil {
		return err
	}
	if !found.Blank && !j.freed(t.media, found) {
		j.recordForeign(ctx, t, found)
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

// freed reports whether what is on the tape is what the operator has freed.
func (j *job) freed(m mediacatalog.Media, found *library.Label) bool {
	return m.State == mediacatalog.StateFree && m.OnMediaID != "" && found.Header != nil && found.Header.HasLabel &&
		found.Header.Label.MediaID == m.OnMediaID && found.Header.Label.DomainID == domainID(j.catalog.Server())
}

// recordForeign keeps what was read from a tape that is not ours to write.
func (j *job) recordForeign(ctx context.Context, t *target, found *library.Label) {
	if err := t.mount.RecordLabel(ctx, j.catalog, t.media.MediaID, found); err != nil {
		j.log.Warn("record the label of a tape", "barcode", t.media.Barcode, "error", err)
	}
}

// label writes the media header and makes the tape one's own.
func (j *job) label(ctx context.Context, t *target, label string) error {
	block, err := j.blockSize(t.mount)
	if err != nil {
		return err
	}
	header := j.header(label)
	if err := t.mount.Rewind(ctx); err != nil {
		return err
	}
	w := library.NewTapeWriter(t.mount, 0, block, 2)
	err = mtf.WriteMediaHeader(ctx, w, block, header)
	if err == nil {
		err = w.Sync(ctx)
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("label tape %s: %w", t.media.Barcode, err)
	}
	// The label is on the tape: the catalog must learn of it, even when the caller has given up meanwhile.
	ctx = context.WithoutCancel(ctx)
	if _, err := j.catalog.RemoveDatasets(ctx, t.media.MediaID, true); err != nil {
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
