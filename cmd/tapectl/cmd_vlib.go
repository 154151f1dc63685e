package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tapectl/internal/vlib"
)

func newVlibCommand(a *app) *cobra.Command {
	c := subcommandsOnly(&cobra.Command{Use: "vlib", Short: "Virtual tape libraries in a folder, for training and tests"})
	c.AddCommand(newVlibCreate(a), newVlibTiming(a), newVlibQuirks(a))
	return c
}

func newVlibCreate(a *app) *cobra.Command {
	var o struct {
		slots, drives, mailSlots, tapes, cleaning int
		capacity, media, generation, prefix       string
		quirks                                    string
		real                                      float64
	}
	c := &cobra.Command{
		Use:   "create FOLDER",
		Short: "Create a virtual tape library in an empty or new folder",
		Example: `  tapectl vlib create /srv/training --slots 40 --drives 2 --tapes 20
  tapectl vlib create /srv/slow --generation LTO-9 --realistic 0.1`,
		Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			config := vlib.Config{
				Slots: o.slots, Drives: o.drives, MailSlots: o.mailSlots, TapeCount: o.tapes, CleaningTapes: o.cleaning,
				Media: o.media, BarcodePrefix: o.prefix,
			}
			if o.generation != "" {
				config.Generations = []string{o.generation}
			}
			if o.capacity != "" {
				n, err := parseSize(o.capacity)
				if err != nil {
					return usageError{fmt.Errorf("--capacity: %w", err)}
				}
				config.Capacity = n
			}
			if o.real < 0 {
				return usageError{errNegativeTimes}
			}
			if o.real > 0 {
				config.Timing = vlib.RealTiming(o.real)
			}
			q, err := vlib.QuirkProfile(o.quirks)
			if err != nil {
				return usageError{err}
			}
			config.Quirks = q
			if err := vlib.Create(args[0], config); err != nil {
				return err
			}
			address, err := absoluteAddress(vlibPrefix + args[0])
			if err != nil {
				return err
			}
			return a.print(map[string]any{"changer": address}, func(w io.Writer) {
				fmt.Fprintf(w, "Created a virtual library. Add it with:\n  tapectl library add NAME --changer %s\n", address)
			})
		},
	}
	f := c.Flags()
	f.IntVar(&o.slots, "slots", 24, "number of slots")
	f.IntVar(&o.drives, "drives", 2, "number of drives")
	f.IntVar(&o.mailSlots, "mailslots", 2, "number of mail slots")
	f.IntVar(&o.tapes, "tapes", 8, "number of blank tapes")
	f.IntVar(&o.cleaning, "cleaning", 1, "number of cleaning tapes")
	f.StringVar(&o.capacity, "capacity", "", "capacity of the tapes, such as 600M or 2T (default: that of the generation)")
	f.StringVar(&o.media, "media", "", "type of the tapes by barcode suffix, such as L6 (default: that of the drives)")
	f.StringVar(&o.generation, "generation", "LTO-6", "generation of the drives, LTO-5 to LTO-10")
	f.StringVar(&o.prefix, "prefix", "DPM", "beginning of the barcodes")
	f.StringVar(&o.quirks, "quirks", "none", "deviations of a real product: "+strings.Join(vlib.QuirkProfiles(), ", "))
	f.Float64Var(&o.real, "realistic", 0, "times of real hardware, multiplied by this factor (0: no delays)")
	return c
}

// parseSize reads a number of bytes with k, M, G or T (decimal) behind it.
func parseSize(s string) (int64, error) {
	units := map[byte]float64{'k': 1e3, 'K': 1e3, 'M': 1e6, 'G': 1e9, 'T': 1e12}
	factor, number := 1.0, s
	if s != "" {
		if f, ok := units[s[len(s)-1]]; ok {
			factor, number = f, s[:len(s)-1]
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n <= 0 || n*factor > math.MaxInt64/2 || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is no size, such as 600M or 2T", s)
	}
	return int64(n * factor), nil
}

var errNegativeTimes = errors.New("--realistic must not be negative")

func newVlibTiming(a *app) *cobra.Command {
	var real float64
	c := &cobra.Command{
		Use: "timing FOLDER --realistic FACTOR", Short: "Change how long things take in a virtual library", Example: "  tapectl vlib timing /srv/training --realistic 0.05",
		Args: exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if real < 0 {
				return usageError{errNegativeTimes}
			}
			return changeVirtual(args[0], func(l *vlib.Library) error {
				if real == 0 {
					return l.SetTiming(vlib.Timing{})
				}
				return l.SetTiming(vlib.RealTiming(real))
			})
		},
	}
	c.Flags().Float64Var(&real, "realistic", 0, "times of real hardware, multiplied by this factor (0: no delays)")
	return c
}

func newVlibQuirks(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "quirks FOLDER PROFILE", Short: "Make a virtual library deviate from the standard as a real product does",
		Long: "Profiles: " + strings.Join(vlib.QuirkProfiles(), ", "), Example: "  tapectl vlib quirks /srv/training ibm", Args: exactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			q, err := vlib.QuirkProfile(args[1])
			if err != nil {
				return usageError{err}
			}
			return changeVirtual(args[0], func(l *vlib.Library) error { return l.SetQuirks(q) })
		},
	}
}

// changeVirtual opens a virtual library for fn.
func changeVirtual(folder string, fn func(*vlib.Library) error) error {
	l, err := vlib.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(fn(l), l.Close())
}
