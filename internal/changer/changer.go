package changer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"tapectl/internal/scsi"
)

// Timeouts of the commands that move or look (scsi.md 9.1). All others take scsi.StandardTimeout.
const (
	readElementStatusTimeout = 5 * time.Minute  // it may wait for the arm
	moveTimeout              = 15 * time.Minute // the drive may rewind and unload first
	initializeTimeout        = 30 * time.Minute
)

// ErrNoDeviceIdentifiers says that the changer does not tell which drive is in which element.
var ErrNoDeviceIdentifiers = errors.New("the changer does not identify its drives")

// ErrNoElement says that the changer has no element with the address.
var ErrNoElement = errors.New("no such element")

// Changer is a medium changer. One goroutine at a time uses it. The transport stays the caller's, who closes it.
type Changer struct {
	transport scsi.Transport // moves, where an attention must be seen
	attentive scsi.Transport // everything else: attentions are noted and the command is sent again
	identity  scsi.Identity

	assignment   Assignment
	assigned     bool // assignment holds what mode page 1Dh said
	capabilities scsi.ModePage
	attentions   []scsi.Sense
	// attended counts attentions ever met, so that a command can tell whether one came while it ran.
	attended int
	// stale: an attention came since the assignment was read; addresses may have changed (quirk Q13).
	stale bool

	form             int  // the element of statusForms that the changer accepts
	defaultTransport bool // the changer wants 0 for the arm (quirk Q37)
	sleep            func(context.Context, time.Duration) error
}

// New opens the changer behind t: it clears the attentions of the new nexus, identifies the device and reads which
// elements it has. A changer that is not ready yet is opened all the same; WaitReady waits for it. A device of another
// kind is an error.
func New(ctx context.Context, t scsi.Transport) (*Changer, error) {
	c := &Changer{transport: t, sleep: scsi.Sleep}
	c.attentive = scsi.WithAttention(t, c.noteAttention)
	got, err := scsi.ClearAttentions(ctx, t)
	for _, s := range got {
		c.noteAttention(s)
	}
	if err != nil {
		return nil, fmt.Errorf("open changer: %w", err)
	}
	if c.identity, err = scsi.Identify(ctx, c.attentive); err != nil {
		return nil, fmt.Errorf("identify changer: %w", err)
	}
	if !c.identity.Present || c.identity.DeviceType != scsi.ChangerDevice {
		return nil, fmt.Errorf("open changer: %s %s is a %s and no medium changer",
			c.identity.Vendor, c.identity.Product, c.identity.DeviceType)
	}
	if err := c.refresh(ctx); err != nil && !answered(err) {
		return nil, fmt.Errorf("read element addresses: %w", err)
	}
	c.readCapabilities(ctx)
	return c, nil
}

// noteAttention remembers an attention: what was known about the elements may be wrong now.
func (c *Changer) noteAttention(s scsi.Sense) {
	const most = 100 // nobody who does not ask for a hundred wants the hundred and first
	if len(c.attentions) < most {
		c.attentions = append(c.attentions, s)
	}
	c.attended++
	c.stale = true
}

// answered reports whether the device is alive and merely refused.
func answered(err error) bool {
	var check *scsi.CheckError
	var response *scsi.ResponseError
	return errors.As(err, &check) || errors.As(err, &response)
}

// refresh reads the element address assignment page (SMC-3 7.3.3).
func (c *Changer) refresh(ctx context.Context) error {
	c.stale = false
	p, err := scsi.ModeSense(ctx, c.attentive, scsi.ModeQuery{Page: 0x1D, DisableBlockDescriptors: true})
	if err != nil {
		c.stale = true
		return err
	}
	a, err := decodeAssignment(p.Page(0x1D, 0))
	if err != nil {
		c.stale = true
		return err
	}
	c.assignment, c.assigned, c.form = a, true, 0
	return nil
}

// decodeAssignment takes mode page 1Dh: for each type the first address and the count (SMC-3 table 47).
func decodeAssignment(p scsi.ModePage) (Assignment, error) {
	if len(p) < 18 {
		return Assignment{}, &scsi.ResponseError{Op: "MODE SENSE",
			Reason: fmt.Sprintf("element address assignment page of %d bytes, want 20", len(p))}
	}
	pair := func(at int) Range {
		first := binary.BigEndian.Uint16(p[at : at+2])
		count := int(binary.BigEndian.Uint16(p[at+2 : at+4]))
		return Range{First: ElementAddress(first), Count: min(count, 0x10000-int(first))}
	}
	return Assignment{MediumTransport: pair(2), Storage: pair(6), ImportExport: pair(10), DataTransfer: pair(14)}, nil
}

// EncodeAssignment builds mode page 1Dh, 20 bytes, for a simulated changer.
func EncodeAssignment(a Assignment) scsi.ModePage {
	p := make(scsi.ModePage, 20)
	p[0], p[1] = 0x1D, 0x12
	for t := MediumTransport; t <= DataTransfer; t++ {
		at := 2 + 4*int(t-MediumTransport)
		binary.BigEndian.PutUint16(p[at:at+2], uint16(a.Of(t).First))
		binary.BigEndian.PutUint16(p[at+2:at+4], uint16(a.Of(t).Count))
	}
	return p
}

// readCapabilities reads the device capabilities page (SMC-3 7.3.2), which many changers do not have.
func (c *Changer) readCapabilities(ctx context.Context) {
	p, err := scsi.ModeSense(ctx, c.attentive, scsi.ModeQuery{Page: 0x1F, DisableBlockDescriptors: true})
	if err == nil && len(p.Page(0x1F, 0)) >= 8 {
		c.capabilities = p.Page(0x1F, 0)
	}
}

// Identity says which changer it is.
func (c *Changer) Identity() scsi.Identity { return c.identity }

// Assignment tells the address ranges of the four element types, as the changer last told them. It is zero while the
// changer does not tell. Addresses in a range need not exist (quirk Q15).
func (c *Changer) Assignment() Assignment { return c.assignment }

// CanMove reports whether the changer moves media between elements of the two types. A changer that does not tell is
// taken to do everything.
func (c *Changer) CanMove(from, to ElementType) bool {
	if c.capabilities == nil || from < MediumTransport || from > DataTransfer || to < MediumTransport || to > DataTransfer {
		return true
	}
	return c.capabilities[3+int(from)]&(1<<(to-MediumTransport)) != 0
}

// Attentions returns and forgets the unit attentions that were met since the last call. Any of them means that element
// status read before may be wrong: a door was opened, a mail slot was used, the changer was reset.
func (c *Changer) Attentions() []scsi.Sense {
	a := c.attentions
	c.attentions = nil
	return a
}

// Move moves the medium in source to destination with one MOVE MEDIUM. It names the arm of mode page 1Dh, and when the
// changer knows no such element the default arm 0 (quirk Q37).
//
// A unit attention is not consumed but returned, because the elements may have changed since the caller looked: read
// their status and decide again. After every other error too the medium may be in the source, in the arm or in the
// destination.
func (c *Changer) Move(ctx context.Context, source, destination ElementAddress) error {
	arm := c.assignment.MediumTransport.First
	if c.defaultTransport || c.assignment.MediumTransport.Count == 0 {
		arm = 0
	}
	err := c.move(ctx, arm, source, destination)
	if arm != 0 && errors.Is(err, scsi.InvalidElementAddress) {
		second := c.move(ctx, 0, source, destination)
		if second == nil {
			c.defaultTransport = true
		}
		if !errors.Is(second, scsi.InvalidElementAddress) {
			err = second
		}
	}
	if err != nil {
		return fmt.Errorf("move medium %d to %d: %w", source, destination, err)
	}
	return nil
}

func (c *Changer) move(ctx context.Context, arm, source, destination ElementAddress) error {
	r := MoveMedium{Transport: arm, Source: source, Destination: destination}
	err := scsi.Do(ctx, c.transport, scsi.NewCommand(r, scsi.NoData, nil, moveTimeout))
	var check *scsi.CheckError
	if errors.As(err, &check) && check.Sense.Key == scsi.UnitAttention {
		c.noteAttention(check.Sense)
	}
	return err
}

// InitializeElementStatus makes the changer look at every element again. It can take half an hour; many changers answer
// at once and have to be waited for with WaitReady.
func (c *Changer) InitializeElementStatus(ctx context.Context) error {
	err := scsi.Do(ctx, c.attentive, scsi.NewCommand(InitializeElementStatus{}, scsi.NoData, nil, initializeTimeout))
	if err != nil {
		return fmt.Errorf("initialize element status: %w", err)
	}
	return nil
}

// InitializeElementStatusRange makes the changer look at some elements again, with the standard's command, the older
// vendor command, or all of them where it has neither.
func (c *Changer) InitializeElementStatusRange(ctx context.Context, r Range) error {
	if r.Count < 1 || r.Count > 0xFFFF {
		return fmt.Errorf("initialize element status: range of %d elements", r.Count)
	}
	for _, vendor := range []bool{false, true} {
		q := InitializeElementStatusWithRange{Range: true, Start: r.First, Count: uint16(r.Count), Vendor: vendor}
		err := scsi.Do(ctx, c.attentive, scsi.NewCommand(q, scsi.NoData, nil, initializeTimeout))
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, scsi.InvalidOperationCode):
			return fmt.Errorf("initialize status of %d elements from %d: %w", r.Count, r.First, err)
		}
	}
	return c.InitializeElementStatus(ctx)
}

// PreventRemoval locks the doors and mail slots against this nexus' will. Changers without the command give
// scsi.InvalidOperationCode.
func (c *Changer) PreventRemoval(ctx context.Context) error {
	if err := scsi.PreventRemoval(ctx, c.attentive, true); err != nil {
		return fmt.Errorf("lock changer: %w", err)
	}
	return nil
}

// AllowRemoval takes PreventRemoval back. A lock that another host holds stays (quirk Q39).
func (c *Changer) AllowRemoval(ctx context.Context) error {
	if err := scsi.PreventRemoval(ctx, c.attentive, false); err != nil {
		return fmt.Errorf("unlock changer: %w", err)
	}
	return nil
}
