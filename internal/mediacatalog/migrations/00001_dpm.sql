-- Tables that DPMDB has: DPM's columns first, tapectl's own after them. Columns named ...Date hold microseconds since
-- 1970 UTC. NULL means "not known". tbl_MM_Media is in 00002, because it refers to the libraries.

-- +goose Up
CREATE TABLE tbl_AM_Server (
    ServerId    TEXT NOT NULL PRIMARY KEY,
    ServerName  TEXT,
    NetbiosName TEXT
) STRICT;

CREATE TABLE tbl_AM_AgentPatch (
    MajorVersionNumber INTEGER,
    MinorVersionNumber INTEGER,
    BuildNumber        INTEGER,
    FileName           TEXT,
    Name               TEXT,
    OSType             INTEGER
) STRICT;
CREATE UNIQUE INDEX ix_AM_AgentPatch ON tbl_AM_AgentPatch (coalesce(MajorVersionNumber, -1),
    coalesce(MinorVersionNumber, -1), coalesce(BuildNumber, -1), coalesce(FileName, ''), coalesce(OSType, -1));

CREATE TABLE tbl_DLS_GlobalSetting (
    PropertyName  TEXT NOT NULL PRIMARY KEY,
    PropertyValue TEXT
) STRICT;

CREATE TABLE tbl_IM_ProtectedGroup (
    ProtectedGroupId TEXT NOT NULL PRIMARY KEY,
    FriendlyName     TEXT,
    DiskIntentId     TEXT
) STRICT;

CREATE TABLE tbl_IM_DataSource (
    DataSourceId     TEXT NOT NULL PRIMARY KEY,
    DataSourceName   TEXT,
    ServerId         TEXT,
    ProtectedGroupId TEXT
) STRICT;

CREATE TABLE tbl_PRM_LogicalReplica (
    PhysicalReplicaId TEXT NOT NULL,
    DataSourceId      TEXT NOT NULL,
    Validity          INTEGER,
    Status            INTEGER,
    PRIMARY KEY (PhysicalReplicaId, DataSourceId)
) STRICT;

CREATE TABLE tbl_PRM_ReplicaVolume (
    ReplicaId TEXT NOT NULL,
    StorageId TEXT NOT NULL,
    PRIMARY KEY (ReplicaId, StorageId)
) STRICT;

CREATE TABLE tbl_SPM_Volume (
    GuidName       TEXT NOT NULL PRIMARY KEY,
    VolumeSetID    TEXT,
    MountPointPath TEXT,
    "Usage"        INTEGER
) STRICT;

CREATE TABLE tbl_STM_Volume (
    StorageId  TEXT NOT NULL PRIMARY KEY,
    AccessPath TEXT,
    Label      TEXT,
    Status     INTEGER,
    Tag        INTEGER,
    FileSystem TEXT,
    DedupMode  INTEGER
) STRICT;
