package vlib

import (
	"time"

	"tapectl/internal/scsi"
)

// usage makes the CDB usage data of a command from the bits that it uses.
func usage(b ...byte) []byte { return b }

// commonCommands are those of SPC that both kinds of device have.
func commonCommands() []command {
	const minute = time.Minute
	return []command{
		{"REQUEST SENSE", 0x03, -1, usage(0x03, 0x01, 0, 0, 0xFF, 0), minute, always, (*task).requestSense},
		{"INQUIRY", 0x12, -1, usage(0x12, 0x01, 0xFF, 0xFF, 0xFF, 0), minute, always, (*task).inquiry},
		{"RESERVE(6)", 0x16, -1, usage(0x16, 0, 0, 0, 0, 0), minute, shared, (*task).reserve6},
		{"RELEASE(6)", 0x17, -1, usage(0x17, 0, 0, 0, 0, 0), minute, shared, (*task).release6},
		{"PREVENT ALLOW MEDIUM REMOVAL", 0x1E, -1, usage(0x1E, 0, 0, 0, 0x03, 0), minute, 0, (*task).preventAllow},
		{"PERSISTENT RESERVE IN", 0x5E, 0x00, usage(0x5E, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, shared, (*task).reserveIn},
		{"PERSISTENT RESERVE IN", 0x5E, 0x01, usage(0x5E, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, shared, (*task).reserveIn},
		{"PERSISTENT RESERVE IN", 0x5E, 0x02, usage(0x5E, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, shared, (*task).reserveIn},
		reserveOutCommand(scsi.ReserveRegister), reserveOutCommand(scsi.ReserveReserve), reserveOutCommand(scsi.ReserveRelease),
		reserveOutCommand(scsi.ReserveClear), reserveOutCommand(scsi.ReservePreempt),
		reserveOutCommand(scsi.ReservePreemptAndAbort), reserveOutCommand(scsi.ReserveRegisterAndIgnore),
		{"REPORT LUNS", 0xA0, -1, usage(0xA0, 0, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0), minute, always, (*task).reportLUNs},
		{"REPORT SUPPORTED OPERATION CODES", 0xA3, 0x0C, usage(0xA3, 0x1F, 0x87, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0), minute,
			shared, (*task).reportCommands},
	}
}

func reserveOutCommand(action int) command {
	return command{"PERSISTENT RESERVE OUT", 0x5F, action, usage(0x5F, 0x1F, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0), time.Minute,
		shared, (*task).reserveOut}
}

// changerCommands is what the changer knows.
func changerCommands() *commandSet {
	const minute = time.Minute
	list := append(commonCommands(), []command{
		{"TEST UNIT READY", 0x00, -1, usage(0x00, 0, 0, 0, 0, 0), minute, loaded, (*task).nothing},
		{"INITIALIZE ELEMENT STATUS", 0x07, -1, usage(0x07, 0, 0, 0, 0, 0), 30 * minute, loaded | mechanical, (*task).inventory},
		{"MODE SENSE(6)", 0x1A, -1, usage(0x1A, 0x08, 0xFF, 0xFF, 0xFF, 0), minute, 0, (*task).modeSense},
		{"OPEN/CLOSE IMPORT/EXPORT ELEMENT", 0x1B, -1, usage(0x1B, 0, 0xFF, 0xFF, 0x1F, 0), 10 * minute, loaded | mechanical, (*task).openCloseMail},
		{"POSITION TO ELEMENT", 0x2B, -1, usage(0x2B, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x01, 0), 10 * minute, loaded | mechanical, (*task).positionTo},
		{"INITIALIZE ELEMENT STATUS WITH RANGE", 0x37, -1, usage(0x37, 0x03, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0, 0), 30 * minute, loaded | mechanical, (*task).inventoryRange},
		{"LOG SENSE", 0x4D, -1, usage(0x4D, 0, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0), minute, 0, (*task).logSense},
		{"MODE SENSE(10)", 0x5A, -1, usage(0x5A, 0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0), minute, 0, (*task).modeSense},
		{"MOVE MEDIUM", 0xA5, -1, usage(0xA5, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x01, 0), 15 * minute, loaded | mechanical, (*task).moveMedium},
		{"EXCHANGE MEDIUM", 0xA6, -1, usage(0xA6, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x03, 0), 15 * minute, loaded | mechanical, (*task).exchangeMedium},
		{"READ ELEMENT STATUS", 0xB8, -1, usage(0xB8, 0x1F, 0xFF, 0xFF, 0xFF, 0xFF, 0x03, 0xFF, 0xFF, 0xFF, 0, 0), 5 * minute, 0, (*task).readElementStatus},
	}...)
	return newCommandSet(list)
}

// driveCommands is what a drive knows.
func driveCommands() *commandSet {
	const minute = time.Minute
	const onTape = loaded | mechanical
	list := append(commonCommands(), []command{
		{"TEST UNIT READY", 0x00, -1, usage(0x00, 0, 0, 0, 0, 0), minute, loaded, (*task).nothing},
		{"REWIND", 0x01, -1, usage(0x01, 0x01, 0, 0, 0, 0), 13 * minute, onTape, (*task).rewind},
		{"FORMAT MEDIUM", 0x04, -1, usage(0x04, 0x03, 0x0F, 0xFF, 0xFF, 0), 55 * minute, onTape, (*task).formatMedium},
		{"READ BLOCK LIMITS", 0x05, -1, usage(0x05, 0x01, 0, 0, 0, 0), minute, 0, (*task).readBlockLimits},
		{"READ", 0x08, -1, usage(0x08, 0x03, 0xFF, 0xFF, 0xFF, 0), 25 * minute, onTape, (*task).read6},
		{"WRITE", 0x0A, -1, usage(0x0A, 0x01, 0xFF, 0xFF, 0xFF, 0), 25 * minute, onTape, (*task).write6},
		{"SET CAPACITY", 0x0B, -1, usage(0x0B, 0x01, 0, 0xFF, 0xFF, 0), 14 * minute, onTape, (*task).setCapacity},
		{"WRITE FILEMARKS", 0x10, -1, usage(0x10, 0x01, 0xFF, 0xFF, 0xFF, 0), 29 * minute, onTape, (*task).writeFilemarks},
		{"SPACE", 0x11, -1, usage(0x11, 0x0F, 0xFF, 0xFF, 0xFF, 0), 50 * minute, onTape, (*task).space},
		{"MODE SELECT(6)", 0x15, -1, usage(0x15, 0x11, 0, 0, 0xFF, 0), minute, 0, (*task).modeSelect},
		{"ERASE", 0x19, -1, usage(0x19, 0x03, 0, 0, 0, 0), 48 * 60 * minute, onTape, (*task).erase},
		{"MODE SENSE(6)", 0x1A, -1, usage(0x1A, 0x08, 0xFF, 0xFF, 0xFF, 0), minute, 0, (*task).modeSense},
		{"LOAD UNLOAD", 0x1B, -1, usage(0x1B, 0x01, 0, 0, 0x0F, 0), 19 * minute, mechanical, (*task).loadUnload},
		{"LOCATE", 0x2B, -1, usage(0x2B, 0x07, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0), 50 * minute, onTape, (*task).locate},
		{"READ POSITION", 0x34, 0x00, usage(0x34, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, loaded, (*task).readPosition},
		{"READ POSITION", 0x34, 0x06, usage(0x34, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, loaded, (*task).readPosition},
		{"READ POSITION", 0x34, 0x08, usage(0x34, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, loaded, (*task).readPosition},
		{"REPORT DENSITY SUPPORT", 0x44, -1, usage(0x44, 0x03, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, 0, (*task).reportDensities},
		{"LOG SELECT", 0x4C, -1, usage(0x4C, 0x03, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0), minute, 0, (*task).logSelect},
		{"LOG SENSE", 0x4D, -1, usage(0x4D, 0, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0), minute, 0, (*task).logSense},
		{"MODE SELECT(10)", 0x55, -1, usage(0x55, 0x11, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), minute, 0, (*task).modeSelect},
		{"MODE SENSE(10)", 0x5A, -1, usage(0x5A, 0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0), minute, 0, (*task).modeSense},
		{"ALLOW OVERWRITE", 0x82, -1, usage(0x82, 0, 0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0), minute,
			loaded, (*task).allowOverwrite},
		{"WRITE ATTRIBUTE", 0x8D, -1, usage(0x8D, 0x01, 0, 0, 0, 0xFF, 0, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0), minute, 0, (*task).writeAttribute},
		{"SPACE(16)", 0x91, -1, usage(0x91, 0x0F, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0), 50 * minute, onTape, (*task).space},
		{"LOCATE(16)", 0x92, -1, usage(0x92, 0x1B, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0), 50 * minute, onTape, (*task).locate},
	}...)
	for _, action := range []int{0x00, 0x01, 0x02, 0x03, 0x05} {
		list = append(list, command{"READ ATTRIBUTE", 0x8C, action, usage(0x8C, 0x1F, 0, 0, 0, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
			0x01, 0), minute, 0, (*task).readAttribute})
	}
	return newCommandSet(list)
}
