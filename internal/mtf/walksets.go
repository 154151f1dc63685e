package mtf

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// SetInfo is one data set that WalkSets found.
type SetInfo struct {
	SSETObject  uint64
	Number      uint16
	Name        string
	Description string
	User        string
	Date        time.Time
	Method      uint32
	SetID       [16]byte // zero unless written by tapectl
	Attributes  uint32   // block attributes of the SSET
	End         *SetEnd  // nil: the set has no end that can be read (Err says why)
	Err         error    // damage of the SSET or the end of set
}

// WalkResult tells where the next set can be appended.
type WalkResult struct {
	Sets       int    // complete sets
	NextObject uint64 // behind the last complete set
	NextNumber uint16
	SetMap     []SetMapEntry // the newest set map that could be read
	Incomplete bool          // the last set has no end: appending at NextObject overwrites it
	EndOfMedia bool          // EOTM or END_OF_FAMILY was found, or the set numbers are used up: nothing may be appended
}

// WalkSets walks from behind the media header over all sets of a medium by filemarks: of each set only its first block and
// its end of set are read. fn may be nil; its error ends the walk. A set that is damaged is handed to fn with Err and does
// not end the walk; a medium error does.
func WalkSets(ctx context.Context, r BlockReader, o CatalogOptions, fn func(*SetInfo) error) (*WalkResult, error) {
	if _, err := checkBlocks(o.PhysicalBlock, o.FormatLogical); err != nil {
		return nil, err
	}
	w := &setWalk{r: r, o: o, buf: make([]byte, o.PhysicalBlock), res: WalkResult{NextNumber: 1}}
	var last uint64
	for first := true; ; first = false {
		object, err := r.Position(ctx)
		if err != nil {
			return nil, fmt.Errorf("walk data sets: %w", err)
		}
		if !first && object <= last {
			return nil, fmt.Errorf("walk data sets: the position went from object %d to %d", last, object)
		}
		last = object
		w.res.NextObject = object
		info, err := w.set(ctx, object)
		if err != nil {
			return nil, fmt.Errorf("walk data sets: %w", err)
		}
		if info == nil {
			return &w.res, nil
		}
		if fn != nil {
			if err := fn(info); err != nil {
				return nil, err
			}
		}
		if w.res.Incomplete {
			return &w.res, nil
		}
	}
}

type setWalk struct {
	r   BlockReader
	o   CatalogOptions
	buf []byte
	res WalkResult
}

// set reads the set that begins at object; nil at the end of the recorded sets.
func (w *setWalk) set(ctx context.Context, object uint64) (*SetInfo, error) {
	n, err := w.r.ReadBlock(ctx, w.buf)
	if ended(err) {
		return nil, nil // end of data, or the second of two filemarks
	}
	if err != nil {
		return nil, err
	}
	info := &SetInfo{SSETObject: object}
	if h, err := DecodeHeader(w.buf[:n]); err == nil && h.Type == IDEOTM {
		w.res.EndOfMedia = true
		return nil, nil
	}
	info.Err = info.decode(w.buf[:n], object)
	if err := w.r.SpaceFilemarks(ctx, 1); err != nil {
		return w.incomplete(info, err)
	}
	end, err := ReadSetEnd(ctx, w.r, w.o)
	if err == nil {
		w.complete(info, end)
		return info, nil
	}
	var fe *FormatError
	switch {
	case errors.Is(err, ErrFilemark): // the closing filemark came too early
		info.Err = err
	case errors.As(err, &fe):
		info.Err = err
		if err := w.r.SpaceFilemarks(ctx, 1); err != nil {
			return w.incomplete(info, err)
		}
	default:
		return w.incomplete(info, err)
	}
	if info.Number != 0 {
		w.number(info.Number)
	}
	return info, nil
}

func (w *setWalk) incomplete(info *SetInfo, err error) (*SetInfo, error) {
	if !errors.Is(err, ErrEndOfData) {
		return nil, err
	}
	w.res.Incomplete = true
	if info.Err == nil {
		info.Err = &TruncatedError{Err: ErrEndOfData}
	}
	return info, nil
}

func (w *setWalk) complete(info *SetInfo, end *SetEnd) {
	info.End = end
	if info.Number == 0 {
		info.Number = end.SetNumber
	}
	w.res.Sets++
	w.number(info.Number)
	w.res.EndOfMedia = w.res.EndOfMedia || end.EndOfFamily
	if end.SetMap != nil {
		w.res.SetMap = end.SetMap
	}
}

func (w *setWalk) number(n uint16) {
	w.res.NextNumber = n + 1
	if n == 0xFFFF {
		w.res.EndOfMedia = true
	}
}

// decode fills in what the SSET says.
func (i *SetInfo) decode(block []byte, object uint64) error {
	h, err := DecodeHeader(block)
	var b SSET
	if err == nil && int(h.FirstEvent) > len(block) {
		err = formatErr("SSET", "first event at %d in a block of %d", h.FirstEvent, len(block))
	}
	if err == nil {
		err = checkBlockCRC(block[:h.FirstEvent])
	}
	if err == nil {
		err = b.Unmarshal(block)
	}
	if err != nil {
		var fe *FormatError
		if errors.As(err, &fe) {
			fe.Object = object
		}
		return err
	}
	i.Number, i.Name, i.Description, i.User = b.Number, TrimNUL(b.Name), TrimNUL(b.Description), TrimNUL(b.User)
	i.Date, i.Method, i.Attributes = b.Date.Time(ZoneOf(b.TimeZone)), b.Attributes&0x3F, b.Header.Attributes
	i.SetID = b.SetID()
	return nil
}

// SetID returns the data set's id where tapectl wrote the block, else zeros.
func (b *SSET) SetID() (id [16]byte) {
	if b.OSID == OSTapectl && len(b.OSData) >= osDataSet {
		copy(id[:], b.OSData[osDataCRC:])
	}
	return id
}
