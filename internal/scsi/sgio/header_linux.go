package sgio

import "unsafe"

// The direction codes of the header.
const (
	dxferNone    = -1
	dxferToDev   = -2
	dxferFromDev = -3
)

// header is struct sg_io_hdr of <scsi/sg.h>, version 3: 88 bytes on 64-bit machines. The Go compiler lays it out as the C
// compiler does. The pointers lead out of Go's heap.
type header struct {
	interfaceID  int32 // 'S'
	direction    int32
	cdbLength    uint8
	maxSense     uint8
	iovecCount   uint16
	dataLength   uint32
	data         unsafe.Pointer
	cdb          unsafe.Pointer
	sense        unsafe.Pointer
	timeout      uint32 // ms
	flags        uint32
	packID       int32
	userPointer  uintptr
	status       uint8
	maskedStatus uint8
	msgStatus    uint8
	senseLength  uint8
	hostStatus   uint16
	driverStatus uint16
	residual     int32
	duration     uint32 // ms
	info         uint32
}

// bytes are the header's bytes for the system calls.
func (h *header) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(h)), unsafe.Sizeof(*h))
}
