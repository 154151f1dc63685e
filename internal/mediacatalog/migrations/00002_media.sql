-- Libraries, tapes, what was read from them, leases and events.

-- +goose Up
CREATE TABLE tbl_TC_Server (
    ServerId    TEXT NOT NULL PRIMARY KEY,
    Name        TEXT NOT NULL,
    CreatedDate INTEGER NOT NULL
) STRICT;

CREATE TABLE tbl_MM_Library (
    LibraryId         TEXT NOT NULL PRIMARY KEY,
    Name              TEXT NOT NULL COLLATE NOCASE UNIQUE,
    ChangerAddress    TEXT,
    SerialNumber      TEXT,
    VendorId          TEXT,
    ProductId         TEXT,
    ProductRevision   TEXT,
    IsEnabled         INTEGER NOT NULL DEFAULT 1 CHECK (IsEnabled IN (0, 1)),
    IsStandAlone      INTEGER NOT NULL DEFAULT 0 CHECK (IsStandAlone IN (0, 1)),
    AddedDate         INTEGER NOT NULL,
    LastInventoryDate INTEGER
) STRICT;

CREATE TABLE tbl_MM_Drive (
    DriveId         TEXT NOT NULL PRIMARY KEY,
    LibraryId       TEXT NOT NULL REFERENCES tbl_MM_Library (LibraryId) ON DELETE CASCADE,
    ElementAddress  INTEGER,
    Address         TEXT,
    SerialNumber    TEXT,
    VendorId        TEXT,
    ProductId       TEXT,
    ProductRevision TEXT,
    Generation      TEXT,
    IsEnabled       INTEGER NOT NULL DEFAULT 1 CHECK (IsEnabled IN (0, 1))
) STRICT;
CREATE INDEX ix_MM_Drive_LibraryId ON tbl_MM_Drive (LibraryId);

CREATE TABLE tbl_MM_Media (
    MediaId           TEXT NOT NULL PRIMARY KEY,
    Label             TEXT,
    BarcodeValue      TEXT,
    MediaType         TEXT,
    OnMediaId         TEXT,
    DomainId          TEXT,
    FamilyId          INTEGER,
    MediumSerial      TEXT,
    State             TEXT NOT NULL,
    Format            TEXT,
    Software          TEXT,
    LabelVersion      TEXT,
    IsCleaning        INTEGER NOT NULL DEFAULT 0 CHECK (IsCleaning IN (0, 1)),
    IsWORM            INTEGER NOT NULL DEFAULT 0 CHECK (IsWORM IN (0, 1)),
    BlockSize         INTEGER,
    NextObject        INTEGER,
    LastSetNumber     INTEGER,
    CapacityBytes     INTEGER,
    UsedBytes         INTEGER,
    IsFull            INTEGER NOT NULL DEFAULT 0 CHECK (IsFull IN (0, 1)),
    IsAppendUncertain INTEGER NOT NULL DEFAULT 0 CHECK (IsAppendUncertain IN (0, 1)),
    Note              TEXT,
    CreatedDate       INTEGER,
    LastWrittenDate   INTEGER,
    LastSeenDate      INTEGER,
    LibraryId         TEXT REFERENCES tbl_MM_Library (LibraryId) ON DELETE SET NULL,
    ElementAddress    INTEGER,
    HomeElement       INTEGER
) STRICT;
CREATE INDEX ix_MM_Media_BarcodeValue ON tbl_MM_Media (BarcodeValue);
CREATE INDEX ix_MM_Media_Label ON tbl_MM_Media (Label COLLATE NOCASE);
CREATE INDEX ix_MM_Media_OnMediaId ON tbl_MM_Media (OnMediaId);
CREATE INDEX ix_MM_Media_LibraryId ON tbl_MM_Media (LibraryId, ElementAddress);

CREATE TABLE tbl_MM_Element (
    LibraryId      TEXT NOT NULL REFERENCES tbl_MM_Library (LibraryId) ON DELETE CASCADE,
    ElementAddress INTEGER NOT NULL,
    ElementType    INTEGER NOT NULL CHECK (ElementType BETWEEN 1 AND 4),
    Number         INTEGER NOT NULL,
    IsFull         INTEGER NOT NULL CHECK (IsFull IN (0, 1)),
    BarcodeValue   TEXT,
    MediaId        TEXT REFERENCES tbl_MM_Media (MediaId) ON DELETE SET NULL,
    SourceElement  INTEGER,
    IsAccessible   INTEGER NOT NULL CHECK (IsAccessible IN (0, 1)),
    IsException    INTEGER NOT NULL CHECK (IsException IN (0, 1)),
    SenseCode      INTEGER,
    SenseQualifier INTEGER,
    DriveSerial    TEXT,
    InventoryDate  INTEGER NOT NULL,
    PRIMARY KEY (LibraryId, ElementAddress)
) STRICT, WITHOUT ROWID;
CREATE INDEX ix_MM_Element_MediaId ON tbl_MM_Element (MediaId) WHERE MediaId IS NOT NULL;

-- What was read, never what is concluded. No foreign key: a fact outlives the row of the tape.
CREATE TABLE tbl_MM_MediaFact (
    FactId         INTEGER PRIMARY KEY AUTOINCREMENT,
    MediaId        TEXT,
    ReadDate       INTEGER NOT NULL,
    LibraryId      TEXT,
    ElementAddress INTEGER,
    BarcodeValue   TEXT,
    DriveSerial    TEXT,
    MediumSerial   TEXT,
    Format         TEXT,
    LabelBytes     BLOB,
    OnMediaId      TEXT,
    DomainId       TEXT,
    Label          TEXT,
    ErrorText      TEXT
) STRICT;
CREATE INDEX ix_MM_MediaFact_MediaId ON tbl_MM_MediaFact (MediaId);

CREATE TABLE tbl_MM_Event (
    EventId        INTEGER PRIMARY KEY AUTOINCREMENT,
    EventDate      INTEGER NOT NULL,
    Kind           TEXT NOT NULL,
    Severity       TEXT NOT NULL CHECK (Severity IN ('info', 'warning', 'error')),
    MediaId        TEXT,
    LibraryId      TEXT,
    ElementAddress INTEGER,
    BarcodeValue   TEXT,
    Message        TEXT
) STRICT;
CREATE INDEX ix_MM_Event_MediaId ON tbl_MM_Event (MediaId);

CREATE TABLE tbl_MM_Lease (
    Resource     TEXT NOT NULL PRIMARY KEY,
    Token        TEXT NOT NULL,
    HostName     TEXT NOT NULL,
    ProcessId    INTEGER NOT NULL,
    ProcessSpace TEXT,
    Command      TEXT,
    SinceDate    INTEGER NOT NULL,
    UntilDate    INTEGER NOT NULL
) STRICT;
