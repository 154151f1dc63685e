package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/mattn/go-sqlite3"

	"tapectl/internal/scsi/iscsi"
)

// buildInfoJSON says what this build can do.
type buildInfoJSON struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
	ISCSI   bool   `json:"iscsi"`
	SQLite  string `json:"sqlite"`
}

func buildInfo() buildInfoJSON {
	sqlite, _, _ := sqlite3.Version()
	return buildInfoJSON{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, ISCSI: iscsi.Available, SQLite: sqlite}
}

func printBuildInfo(w io.Writer, b buildInfoJSON) {
	fmt.Fprintf(w, "tapectl %s (%s, %s)\niSCSI in user space: %s\nSQLite %s\n", b.Version, b.Go, b.System, yesNo(b.ISCSI), b.SQLite)
}
