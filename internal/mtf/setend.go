package mtf

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Finish closes the set: ESPB, filemark, ESET, file and directory detail, set map, second ESET, filemark. The writer
// cannot be used afterwards.
func (s *SetWriter) Finish(ctx context.Context) (SetResult, error) {
	if s.open && s.out.err == nil {
		return s.res, errors.New("finish data set: the last object is not complete, only Abort can follow")
	}
	return s.close(ctx, 0)
}

// Abort closes an incomplete set with ABORTED_SET. An object that was begun and not completed is dropped where it still is
// in memory; else the set ends in the middle of it and readers report it as truncated. Everything before it stays readable
// and catalogued. After a medium error nothing can be written: the error is returned, and the writer's resources are freed.
// ctx must not be the cancelled one that stopped the set.
func (s *SetWriter) Abort(ctx context.Context) (SetResult, error) {
	if s.open && s.out.err == nil {
		if s.out.rewind(s.openBlocks, s.openPos) {
			s.cbid, s.fileID = s.openCbid, s.openFID
		}
		s.open = false
	}
	s.res.Aborted = true
	return s.close(ctx, AttrAbortedSet)
}

func (s *SetWriter) close(ctx context.Context, attr uint32) (SetResult, error) {
	if s.closed {
		return s.res, errors.New("close data set: it is closed already")
	}
	s.closed = true
	defer s.fdd.close()
	if err := s.finish(ctx, attr); err != nil {
		s.res.Blocks = s.out.blocks
		return s.res, fmt.Errorf("close data set %d: %w", s.o.SetNumber, err)
	}
	s.res.Blocks = s.out.blocks
	return s.res, nil
}

func (s *SetWriter) finish(ctx context.Context, attr uint32) error {
	if s.out.pos != 0 {
		b := ESPB{Header: Header{FLA: s.fla()}}
		if err := s.block(ctx, &b, &b.Header); err != nil {
			return err
		}
		if err := s.pad(ctx, s.o.PhysicalBlock); err != nil {
			return err
		}
	}
	if err := s.out.filemark(ctx); err != nil {
		return err
	}
	body := s.out.blocks
	s.res.ESETObject = s.o.SSETObject + body + 1
	if s.fddErr != nil {
		attr |= AttrFDDAborted
	}
	first := s.eset(attr)
	if err := s.block(ctx, first, &first.Header); err != nil {
		return err
	}
	if !s.o.NoCatalog {
		if err := s.mediaCatalog(ctx, body); err != nil {
			return err
		}
		if s.fddErr != nil {
			attr |= AttrFDDAborted
			s.res.FDDObject = 0
		}
		second := s.eset(attr)
		second.Catalog1, second.Catalog2 = s.res.FDDObject, s.res.TSMPObject
		if err := s.block(ctx, second, &second.Header); err != nil {
			return err
		}
	}
	if err := s.pad(ctx, s.o.PhysicalBlock); err != nil {
		return err
	}
	s.res.CatalogError = s.fddErr
	s.res.NextObject = s.o.SSETObject + s.out.blocks + 2
	return s.out.filemark(ctx)
}

func (s *SetWriter) eset(attr uint32) *ESET {
	return &ESET{Header: Header{Attributes: attr}, Attributes: s.o.Method, CorruptFiles: s.res.CorruptFiles,
		FDDMediaSequence: s.o.Sequence, Number: s.o.SetNumber, Date: DateTimeOf(s.o.Created)}
}

// object is the object number of the block that will be written next, in the end of set.
func (s *SetWriter) object() uint64 { return s.o.SSETObject + s.out.blocks + 1 }

// mediaCatalog writes the streams of the type 1 catalog behind the first ESET; each begins on a physical block boundary,
// which OTCP streams of zeros reach.
func (s *SetWriter) mediaCatalog(ctx context.Context, body uint64) error {
	unit := uint64(s.o.PhysicalBlock)
	if err := s.out.pad(ctx, StreamOTCP, unit); err != nil {
		return err
	}
	if s.fddErr == nil {
		s.res.FDDObject = s.object()
		if err := s.detail(ctx, unit); err != nil {
			return err
		}
	}
	m := s.setMapEntry()
	if s.fddErr == nil {
		m.FDDObject = s.res.FDDObject
	}
	sets := append(append([]SetMapEntry(nil), s.o.SetMap...), m)
	data, err := MarshalSetMap(s.o.FamilyID, sets)
	if err != nil {
		return err
	}
	s.res.SetMap, s.res.TSMPObject = sets, s.object()
	if err := s.out.stream(ctx, StreamHeader{ID: StreamTSMP, Length: uint64(len(data))}); err != nil {
		return err
	}
	if err := s.out.write(ctx, data); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	if err := s.out.stream(ctx, StreamHeader{ID: StreamSHA2, Length: 32}); err != nil {
		return err
	}
	if err := s.out.write(ctx, sum[:]); err != nil {
		return err
	}
	return s.pad(ctx, s.o.PhysicalBlock)
}

// detail writes the TFDD stream. Its FEND entry reaches to the next physical block, where that is no farther than the 16
// bits of an entry's length; else FEND is 36 bytes long and an OTCP stream follows.
func (s *SetWriter) detail(ctx context.Context, unit uint64) error {
	end := s.out.total + StreamHeaderSize + uint64(s.fdd.size())
	gap := (end+entryHeader+unit-1)/unit*unit - end
	if gap > MaxBlockSize {
		gap = entryHeader
	}
	if err := s.out.stream(ctx, StreamHeader{ID: StreamTFDD, Length: uint64(s.fdd.size()) + gap}); err != nil {
		return err
	}
	spoolErr, err := s.fdd.writeTo(ctx, s.out)
	if err != nil {
		return err
	}
	s.fddErr = spoolErr
	fend := CatalogEntry{Type: IDFEND}
	if _, err := fend.Marshal(s.scratch); err != nil {
		return err
	}
	s.scratch[0], s.scratch[1] = byte(gap), byte(gap>>8)
	if err := s.out.write(ctx, s.scratch[:entryHeader]); err != nil {
		return err
	}
	if err := s.out.zeros(ctx, gap-entryHeader); err != nil {
		return err
	}
	if s.out.pos == 0 {
		return nil
	}
	return s.out.pad(ctx, StreamOTCP, unit)
}

// setMapEntry describes this set.
func (s *SetWriter) setMapEntry() SetMapEntry {
	return SetMapEntry{
		MediaSequence: s.o.Sequence, BlockAttributes: s.sset.Header.Attributes, Attributes: s.o.Method,
		SSETObject: s.o.SSETObject, FDDMediaSequence: s.o.Sequence, SetNumber: s.o.SetNumber,
		Directories: s.res.Directories, Files: s.res.Files, CorruptFiles: s.res.CorruptFiles, Size: s.res.Bytes,
		Name: s.o.Name, Description: s.o.Description, User: s.o.User, Date: s.sset.Date, TimeZone: TimeZoneUTC,
		OSID: OSTapectl, OSVersion: osVersionTapectl, StringType: StringUnicode, CatalogVersion: s.sset.CatalogVersion,
		Volumes: s.volumes,
	}
}
