package scsi

// anyCode stands for every additional sense code or qualifier in a Condition.
const anyCode = -1

// anyKey stands for every sense key in a Condition.
const anyKey = SenseKey(0xFF)

// Condition is a class of sense data that callers decide on. It is an error, so that errors.Is(err, condition) works
// on every error that wraps a *CheckError.
type Condition struct {
	name      string
	key       SenseKey // or anyKey
	asc, ascq int      // or anyCode
	flag      senseFlag
}

// senseFlag selects a condition that is told by a flag and not by a code.
type senseFlag uint8

const (
	noFlag senseFlag = iota
	filemarkFlag
	endOfMediumFlag
	incorrectLengthFlag
	deferredFlag
)

// Error gives the name of the condition.
func (c Condition) Error() string { return c.name }

// Matches reports whether s shows the condition.
func (c Condition) Matches(s Sense) bool {
	switch c.flag {
	case filemarkFlag:
		return s.Filemark
	case endOfMediumFlag:
		return s.EndOfMedium
	case incorrectLengthFlag:
		return s.IncorrectLength
	case deferredFlag:
		return s.Deferred
	}
	return (c.key == anyKey || c.key == s.Key) && (c.asc == anyCode || byte(c.asc) == s.ASC) &&
		(c.ascq == anyCode || byte(c.ascq) == s.ASCQ)
}

func keyIs(name string, key SenseKey) Condition {
	return Condition{name: name, key: key, asc: anyCode, ascq: anyCode}
}

func codeIs(name string, key SenseKey, asc, ascq int) Condition {
	return Condition{name: name, key: key, asc: asc, ascq: ascq}
}

func flagIs(name string, f senseFlag) Condition { return Condition{name: name, flag: f} }

// Conditions by sense key.
var (
	IsNotReady       = keyIs("not ready", NotReady)
	IsMediumError    = keyIs("medium error", MediumError)
	IsHardwareError  = keyIs("hardware error", HardwareError)
	IsIllegalRequest = keyIs("illegal request", IllegalRequest)
	IsUnitAttention  = keyIs("unit attention", UnitAttention)
	IsDataProtect    = keyIs("data protect", DataProtect)
	IsBlankCheck     = keyIs("blank check", BlankCheck)
	IsAborted        = keyIs("aborted command", AbortedCommand)
	IsVolumeOverflow = keyIs("volume overflow", VolumeOverflow)
)

// Conditions by flag (SSC-5 4.2.23).
var (
	AtFilemark      = flagIs("filemark", filemarkFlag)
	AtEndOfMedium   = flagIs("end of medium or early warning", endOfMediumFlag)
	WrongLength     = flagIs("incorrect length", incorrectLengthFlag)
	IsDeferredError = flagIs("deferred error", deferredFlag)
)

// Conditions by additional sense code. Those with the key left open are reported under different keys by different
// devices.
var (
	BecomingReady               = codeIs("becoming ready", NotReady, 0x04, 0x01)
	InitializingCommandRequired = codeIs("initializing command required", NotReady, 0x04, 0x02)
	ManualInterventionRequired  = codeIs("manual intervention required", anyKey, 0x04, 0x03)
	OperationInProgress         = codeIs("operation in progress", NotReady, 0x04, 0x07)
	DoorOpen                    = codeIs("door open", NotReady, 0x04, 0x18)
	InvalidOperationCode        = codeIs("command not supported", IllegalRequest, 0x20, 0x00)
	InvalidElementAddress       = codeIs("invalid element address", IllegalRequest, 0x21, 0x01)
	InvalidFieldInCDB           = codeIs("invalid field in CDB", IllegalRequest, 0x24, 0x00)
	LogicalUnitNotSupported     = codeIs("logical unit not supported", IllegalRequest, 0x25, 0x00)
	InvalidFieldInParameterList = codeIs("invalid field in parameter list", IllegalRequest, 0x26, anyCode)
	WriteProtected              = codeIs("write protected", DataProtect, 0x27, anyCode)
	MediumMayHaveChanged        = codeIs("medium may have changed", UnitAttention, 0x28, 0x00)
	ImportExportAccessed        = codeIs("import or export element accessed", UnitAttention, 0x28, 0x01)
	ResetOccurred               = codeIs("power on or reset occurred", UnitAttention, 0x29, anyCode)
	IncompatibleMedium          = codeIs("incompatible medium", anyKey, 0x30, anyCode)
	CleaningCartridgeInstalled  = codeIs("cleaning cartridge installed", anyKey, 0x30, 0x03)
	MediumNotPresent            = codeIs("medium not present", anyKey, 0x3A, anyCode)
	MAMAccessible               = codeIs("medium not threaded, cartridge memory accessible", NotReady, 0x3A, 0x04)
	DestinationFull             = codeIs("destination element full", anyKey, 0x3B, 0x0D)
	SourceEmpty                 = codeIs("source element empty", anyKey, 0x3B, 0x0E)
	LoadOrEjectFailed           = codeIs("load or eject failed", anyKey, 0x53, 0x00)
	DriveDidNotUnload           = codeIs("drive did not unload", anyKey, 0x53, 0x01)
	RemovalPrevented            = codeIs("medium removal prevented", anyKey, 0x53, 0x02)
	RemovalPreventedByDrive     = codeIs("medium removal prevented by the drive", anyKey, 0x53, 0x03)
)
