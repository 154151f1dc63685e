package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is how wide the paragraphs of the help are: that of the terminals in machine rooms.
const helpWidth = 79

// wrapHelp fits the long texts of a command and its subcommands into terminals of 80 characters.
func wrapHelp(c *cobra.Command) {
	c.Long = wrapText(c.Long, helpWidth)
	for _, sub := range c.Commands() {
		wrapHelp(sub)
	}
}

// wrapText fills paragraphs into lines of at most width characters. Lines that begin with a blank stay as they are.
func wrapText(text string, width int) string {
	var lines []string
	line := ""
	flush := func() {
		if line != "" {
			lines = append(lines, line)
			line = ""
		}
	}
	for _, l := range strings.Split(text, "\n") {
		if l == "" || l[0] == ' ' {
			flush()
			lines = append(lines, l)
			continue
		}
		for _, word := range strings.Fields(l) {
			if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
				flush()
			}
			if line != "" {
				line += " "
			}
			line += word
		}
	}
	flush()
	return strings.Join(lines, "\n")
}
