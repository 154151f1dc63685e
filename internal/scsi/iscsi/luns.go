package iscsi

import (
	"context"
	"fmt"

	"tapectl/internal/scsi"
)

// LUN is one logical unit of a target.
type LUN struct {
	Number   uint8
	Identity scsi.Identity
	// Err says why the unit, which the target lists, did not tell who it is. Identity holds what it told before.
	Err error
}

// LUNs asks a target for its logical units and each of them who it is. The LUN in a does not matter, and LUN 0 is asked,
// which every target has. Units that are listed and not present are left out, and so are those from 256 on, which cannot
// be reached. A unit that does not answer has its Err set.
func LUNs(ctx context.Context, a Address) ([]LUN, error) {
	numbers, err := listLUNs(ctx, a)
	if err != nil {
		return nil, err
	}
	var out []LUN
	for _, n := range numbers {
		if n > 0xFF {
			continue
		}
		id, err := identify(ctx, a.WithLUN(uint8(n)))
		if ctx.Err() != nil {
			return out, fmt.Errorf("list the logical units of %s: %w", a, ctx.Err())
		}
		if err != nil || id.Present {
			out = append(out, LUN{Number: uint8(n), Identity: id, Err: err})
		}
	}
	return out, nil
}

func listLUNs(ctx context.Context, a Address) ([]uint16, error) {
	t, err := Open(ctx, a.WithLUN(0))
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if _, err := scsi.ClearAttentions(ctx, t); err != nil {
		return nil, fmt.Errorf("list the logical units of %s: %w", a, err)
	}
	numbers, err := scsi.ListLUNs(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("list the logical units of %s: %w", a, err)
	}
	return numbers, nil
}

func identify(ctx context.Context, a Address) (scsi.Identity, error) {
	t, err := Open(ctx, a)
	if err != nil {
		return scsi.Identity{}, err
	}
	defer t.Close()
	if _, err := scsi.ClearAttentions(ctx, t); err != nil {
		return scsi.Identity{}, err
	}
	return scsi.Identify(ctx, t)
}
