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
again, restore it elsewhere and compare. Nothing of it is left behind, and your catalog is not touched. --bak takes a SQL
Server backup file of yours; the temporary folder ($TMPDIR) then needs three times its size.`,
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
	quiet  bool // the story is over in a moment: no progress
}

func (a *app) demo(ctx context.Context, bak string) (err error) {
	folder, err := os.MkdirTemp("", "tapectl-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	d := &demo{app: a, ctx: ctx, folder: folder, quiet: bak == ""}
	begun := time.Now()
	if bak == "" {
		bak = filepath.Join(folder, "DPMDB.bak")
		if err := writeExample(bak); err != nil {
			return err
		}
	}
	info, err := os.Stat(bak)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if !info.Mode().IsRegular() {
		return usageError{fmt.Errorf("demo: %s is no file", bak)}
	}
	fmt.Fprintf(a.stdout, "All of this happens in a temporary folder, $DEMO = %s. It needs no hardware.\n", folder)
	if err := d.story(bak, info.Size()); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\nThat was the whole story, in %.1f seconds. $DEMO is removed again.\n", time.Since(begun).Seconds())
	return nil
}

// story carries out the steps with a backup file of size bytes.
func (d *demo) story(bak string, size int64) error {
	library := filepath.Join(d.folder, "library")
	target := filepath.Join(d.folder, "restored")
	capacity := fmt.Sprint(max(64_000_000_000, 2*size))
	for _, step := range []struct {
		why  string
		args []string
	}{
		{"A tape library: a virtual one here. With a real one you begin at the next step.",
			[]string{"vlib", "create", library, "--slots", "12", "--tapes", "6", "--capacity", capacity}},
		{"Add it by the address of its changer. Its drives are found by their serial numbers.",
			[]string{"library", "add", "main", "--changer", vlibPrefix + library}},
		{"What is in it?", []string{"inventory", "main", "--fast"}},
		{"Back up the database that knows where everything is: to two tapes, for 99 years.",
			[]string{"backup", "DPMDB", bak, "--copies", "2", "--retain", "99y"}},
		{"The library now:", []string{"library", "status", "main", "--picture"}},
		{"The worst day: the server is gone. Which tapes hold DPMDB?", []string{"locate", "DPMDB"}},
		{"Get it back.", []string{"restore", "DPMDB", "--to", target}},
	} {
		if err := d.tell(step.why, step.args...); err != nil {
			return err
		}
	}
	return d.compare(bak, filepath.Join(target, filepath.Base(bak)))
}

// tell runs one command and shows it as an operator would see it.
func (d *demo) tell(why string, args ...string) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	d.step++
	fmt.Fprintf(d.stdout, "\n%d. %s\n   $ tapectl %s\n", d.step, why, d.short(strings.Join(args, " ")))
	var out bytes.Buffer
	child := newApp(strings.NewReader(""), &out, d.stderr)
	child.shown = d.shown
	root := newRootCommand(child)
	root.SetArgs(append(d.globalFlags(), args...))
	err := root.ExecuteContext(d.ctx)
	d.settle()
	for line := range strings.Lines(out.String()) {
		line = strings.TrimRight(line, "\n")
		fmt.Fprintf(d.stdout, "   %s\n", d.short(line))
	}
	return err
}

// globalFlags are the flags that each command of the story gets: a catalog of its own, never the operator's, and what the demo was given.
func (d *demo) globalFlags() []string {
	flags := []string{"--catalog", filepath.Join(d.folder, "catalog.db")}
	if d.noProgress || d.quiet {
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
	fmt.Fprintf(d.stdout, "\n%d. Is it the same, byte for byte?\n   $ sha256sum %s %s\n", d.step, d.short(a), d.short(b))
	var sums [2][sha256.Size]byte
	for i, name := range []string{a, b} {
		sum, err := hashFile(name)
		if err != nil {
			return err
		}
		sums[i] = sum
		fmt.Fprintf(d.stdout, "   %x  %s\n", sum, d.short(name))
	}
	if sums[0] != sums[1] {
		return errors.New("demo: the restored file differs")
	}
	fmt.Fprintln(d.stdout, "   Yes.")
	return nil
}

// short writes the temporary folder as $DEMO.
func (d *demo) short(s string) string { return strings.ReplaceAll(s, d.folder, "$DEMO") }

func hashFile(name string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	h.Sum(sum[:0])
	return sum, err
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
