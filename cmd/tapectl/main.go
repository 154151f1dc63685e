// Command tapectl inventories tape libraries, keeps a media catalog, backs up to tape and restores from it, and finds the
// tape that holds DPMDB when the DPM server is gone.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "0.0.0-dev"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run carries out one command line and returns the exit code. The first SIGINT, SIGTERM or SIGHUP (the terminal is gone) cancels the command, which then brings tape
// and drive into a known state; a second one kills the program.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	a := newApp(stdin, stdout, stderr)
	root := newRootCommand(a)
	root.SetArgs(args)
	go func() {
		<-ctx.Done()
		stop() // the next signal has its default effect
		if !a.finished.Load() && errors.Is(ctx.Err(), context.Canceled) {
			a.notice("tapectl: stopping: what the device is doing is finished, the tape put back (interrupt again to kill)")
		}
	}()
	err := root.ExecuteContext(ctx)
	a.finished.Store(true)
	return a.exit(ctx, err)
}

// newRootCommand builds the command tree.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "tapectl",
		Short: "Tape libraries, and the tape that holds DPMDB",
		Example: `  tapectl demo
  tapectl library scan
  tapectl library add main --changer /dev/sg3
  tapectl backup DPMDB /backup/DPMDB.bak --copies 2 --retain 99y
  tapectl locate DPMDB`,
		Long: `tapectl drives tape libraries and drives (/dev/sg*, iSCSI and virtual ones), keeps a media catalog with DPM's
own words, writes and reads tapes in Microsoft Tape Format, and finds the tape that holds DPMDB.

Exit codes: 0 ok, 1 failed, 2 usage, 3 partly done, 10 library or drive not reachable, 11 in use,
12 no certificate that fits, 13 a tape is needed that is not there, 14 refused to protect data, 130 cancelled.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.StringVar(&a.catalogPath, "catalog", "", "catalog file (default $TAPECTL_CATALOG, else $XDG_DATA_HOME/tapectl/catalog.db)")
	f.BoolVar(&a.json, "json", false, "print JSON, one object a line for lists")
	f.StringVar(&a.tracePath, "trace", "", "write every SCSI command to this file")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log what is done")
	f.BoolVar(&a.noProgress, "no-progress", false, "show no progress on the terminal")
	addGroup(root, "data", "Back up, find, restore:", newBackupCommand(a), newLocateCommand(a), newRecoveryPointCommand(a), newRestoreCommand(a))
	addGroup(root, "hardware", "Libraries, drives and tapes:", newLibraryCommand(a), newInventoryCommand(a), newTapeCommand(a), newDriveCommand(a))
	addGroup(root, "catalog", "The catalog:", newCatalogCommand(a))
	addGroup(root, "training", "To try it without hardware:", newDemoCommand(a), newVlibCommand(a))
	addGroup(root, "program", "The program itself:", newVersionCommand(a))
	root.SetHelpCommandGroupID("program")
	root.SetCompletionCommandGroupID("program")
	wrapHelp(root)
	return root
}

// addGroup adds commands under a heading of the help.
func addGroup(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, c := range commands {
		c.GroupID = id
		root.AddCommand(c)
	}
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version and what this build can do",
		Example: "  tapectl version",
		Args:    exactArgs(0),
		RunE: func(*cobra.Command, []string) error {
			return a.print(buildInfo(), func(w io.Writer) { printBuildInfo(w, buildInfo()) })
		},
	}
}
