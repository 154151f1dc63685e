package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newDemoCommand(a *app) *cobra.Command {
	var bak string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole story on a virtual library, in seconds, with nothing left behind",
		Long: `Create a virtual tape library in a temporary folder, inventory it, back up a database backup to two tapes, find it
again, restore it elsewhere and compare. Nothing of it is left behind. --bak takes a SQL Server backup file of yours.`,
		Example: "  tapectl demo\n  tapectl demo --bak /backup/DPMDB.bak",
		Args:    exactArgs(0),
		RunE:    func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), bak) },
	}
	c.Flags().StringVar(&bak, "bak", "", "database backup file to use (default: one made up)")
	return c
}

// demo tells the story. Every step is a command that an operator could type, run in this process.
type demo struct {
	*app
	ctx    context.Context
	folder string
	step   int
}

func (a *app) demo(ctx context.Context, bak string) (err error) {
	folder, err := os.MkdirTemp("", "tapectl-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	d := &demo{app: a, ctx: ctx, folder: folder}
	begun := time.Now()
	if bak == "" {
		bak = filepath.Join(folder, "DPMDB.bak")
		if err := writeExample(bak); err != nil {
			return err
		}
	}
	if err := d.story(bak); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\nThat was the whole story in %.1f seconds; the folder %s is gone again.\n", time.Since(begun).Seconds(), folder)
	return nil
}

func (d *demo) story(bak string) error {
	library := filepath.Join(d.folder, "library")
	if err := d.tell("A tape library: here a virtual one; with a real one you begin at the next step.",
		"vlib", "create", library, "--slots", "12", "--tapes", "6", "--capacity", "64G"); err != nil {
		return err
	}
	if err := d.tell("Add it by the address of its changer. The drives are found by their serial numbers.",
		"library", "add", "main", "--changer", vlibPrefix+library); err != nil {
		return err
	}
	if err := d.tell("What is in it?", "inventory", "main", "--fast"); err != nil {
		return err
	}
	if err := d.tell("Back up the database that knows where everything is, to two tapes, for 99 years.",
		"backup", "DPMDB", bak, "--copies", "2", "--retain", "99y"); err != nil {
		return err
	}
	if err := d.tell("The library now:", "library", "status", "main", "--picture"); err != nil {
		return err
	}
	if err := d.tell("The worst day: the server is gone. Which tape holds DPMDB?", "locate", "DPMDB"); err != nil {
		return err
	}
	target := filepath.Join(d.folder, "restored")
	if err := d.tell("Get it back, on another machine if need be.", "restore", "DPMDB", "--to", target); err != nil {
		return err
	}
	return d.compare(bak, filepath.Join(target, filepath.Base(bak)))
}

// tell runs one command and shows it as an operator would see it.
func (d *demo) tell(why string, args ...string) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	d.step++
	fmt.Fprintf(d.stdout, "\n%d. %s\n   $ tapectl %s\n", d.step, why, strings.ReplaceAll(strings.Join(args, " "), d.folder, "$DEMO"))
	var out bytes.Buffer
	child := &app{
		stdin: strings.NewReader(""), stdout: &out, stderr: d.stderr,
	}
	root := newRootCommand(child)
	root.SetArgs(append(d.globalFlags(), args...))
	err := root.ExecuteContext(d.ctx)
	for _, line := range strings.Split(strings.TrimRight(out.String(), "\n"), "\n") {
		fmt.Fprintf(d.stdout, "   %s\n", strings.ReplaceAll(line, d.folder, "$DEMO"))
	}
	return err
}

// globalFlags are the flags that each command of the story gets: a catalog of its own, never the operator's, and what the demo was given.
func (d *demo) globalFlags() []string {
	flags := []string{"--catalog", filepath.Join(d.folder, "catalog.db")}
	if d.noProgress {
		flags = append(flags, "--no-progress")
	}
	if d.verbose {
		flags = append(flags, "--verbose")
	}
	if d.tracePath != "" {
		flags = append(flags, "--trace", d.tracePath)
	}
	return flags
}

// compare shows that the restored file is the same.
func (d *demo) compare(a, b string) error {
	d.step++
	fmt.Fprintf(d.stdout, "\n%d. Is it the same, byte for byte?\n", d.step)
	var sums [2][sha256.Size]byte
	for i, name := range []string{a, b} {
		sum, n, err := hashFile(name)
		if err != nil {
			return err
		}
		sums[i] = sum
		fmt.Fprintf(d.stdout, "   %x  %s (%s)\n", sum, strings.ReplaceAll(name, d.folder, "$DEMO"), sizeText(n))
	}
	if sums[0] != sums[1] {
		return errors.New("demo: the restored file differs")
	}
	fmt.Fprintln(d.stdout, "   Yes.")
	return nil
}

func hashFile(name string) (sum [sha256.Size]byte, n int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err = io.Copy(h, f)
	h.Sum(sum[:0])
	return sum, n, err
}

// writeExample writes 32 MiB that stand for a database backup.
func writeExample(name string) error {
	const size = 32 << 20
	data := make([]byte, size)
	r := rand.NewChaCha8([32]byte{'D', 'P', 'M', 'D', 'B'})
	if _, err := r.Read(data); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600)
}
