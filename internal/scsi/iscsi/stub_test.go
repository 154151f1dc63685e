//go:build !libiscsi

package iscsi

import (
	"context"
	"errors"
	"strings"
	"testing"

	"tapectl/internal/scsi"
)

func TestStub(t *testing.T) {
	a := Address{Host: "h", Port: 3260, Target: iqn}
	tr, err := Open(context.Background(), a)
	var ce *ConnectError
	if tr != nil || !errors.Is(err, ErrNotBuilt) || !errors.As(err, &ce) || !strings.Contains(err.Error(), "build tag libiscsi") {
		t.Errorf("Open: %v", err)
	}
	if _, err := LUNs(context.Background(), a); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("LUNs: %v", err)
	}
	var te *scsi.TransportError
	none := &Transport{}
	if err := none.Send(context.Background(), &scsi.Command{}); !errors.As(err, &te) || !te.NotSent || none.Close() != nil || Available {
		t.Errorf("Send: %v", err)
	}
}
