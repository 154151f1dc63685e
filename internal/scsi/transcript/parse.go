package transcript

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"tapectl/internal/scsi"
)

const (
	// maxLine bounds a line of a transcript.
	maxLine = 64 << 10
	// maxData bounds the data of one command, as the transports do.
	maxData = 1 << 24
)

// Parse reads a transcript. The error names the line. Memory grows with the text and no faster.
func Parse(r io.Reader) ([]Entry, error) {
	p := &parser{}
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	n := 0
	for s.Scan() {
		n++
		if err := p.line(s.Text()); err != nil {
			return nil, fmt.Errorf("read transcript: line %d: %w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read transcript: line %d: %w", n+1, err)
	}
	if err := p.end(); err != nil {
		return nil, fmt.Errorf("read transcript: line %d: %w", n, err)
	}
	return p.entries, nil
}

// parser has the state between lines.
type parser struct {
	entries []Entry
	entry   *Entry // the paragraph being read, nil between paragraphs
	size    int    // the stated size of its data
	seen    map[string]bool
	inData  bool
}

func (p *parser) line(s string) error {
	s = strings.TrimRight(s, " \t\r")
	switch {
	case strings.HasPrefix(s, "#"):
		return nil
	case s == "":
		return p.end()
	case p.entry == nil:
		p.entry = &Entry{Name: s}
		p.size, p.inData = 0, false
		p.seen = map[string]bool{}
		return nil
	}
	word, rest, _ := strings.Cut(s, " ")
	rest = strings.TrimSpace(rest)
	if p.inData {
		if done, err := p.dataLine(word, rest); err != nil || !done {
			return err
		}
	}
	return p.field(word, rest)
}

// dataLine reads a line of data; done says that the line is none.
func (p *parser) dataLine(word, rest string) (done bool, err error) {
	e := p.entry
	if word == "..." {
		count, kind, _ := strings.Cut(rest, " ")
		n, err := number(count, maxData)
		if err != nil || n == 0 || kind != "more" && kind != "redacted" {
			return false, fmt.Errorf("bad line of dots %q", rest)
		}
		e.Omitted, e.Redacted = n, kind == "redacted"
		p.inData = false
		return false, p.checkSize()
	}
	at, err := strconv.ParseUint(word, 16, 32)
	if err != nil || len(word) < 4 {
		p.inData = false
		return true, p.checkSize()
	}
	b, err := parseHex(rest)
	if err != nil {
		return false, err
	}
	if int(at) != len(e.Data) || len(b) == 0 || len(b) > 16 || len(e.Data)%16 != 0 {
		return false, fmt.Errorf("data at offset %s where %04X was expected", word, len(e.Data))
	}
	if len(e.Data)+len(b) > p.size {
		return false, fmt.Errorf("more data than the %d bytes announced", p.size)
	}
	e.Data = append(e.Data, b...)
	return false, nil
}

func (p *parser) checkSize() error {
	if n := len(p.entry.Data) + p.entry.Omitted; n != p.size {
		return fmt.Errorf("%d bytes of data, %d were announced", n, p.size)
	}
	return nil
}

// field reads any other line.
func (p *parser) field(word, rest string) (err error) {
	if p.seen[word] {
		return fmt.Errorf("a second %q", word)
	}
	p.seen[word] = true
	e := p.entry
	switch word {
	case "cdb":
		if e.CDB, err = parseHex(rest); err == nil && (len(e.CDB) < 6 || len(e.CDB) > 16) {
			err = fmt.Errorf("a CDB of %d bytes", len(e.CDB))
		}
	case "in", "out":
		if e.Direction != scsi.NoData {
			return errors.New("data in both directions")
		}
		e.Direction = scsi.FromDevice
		if word == "out" {
			e.Direction = scsi.ToDevice
		}
		p.size, err = number(rest, maxData)
		p.inData = true
		if err == nil && p.size == 0 {
			err = errors.New("no bytes of data")
		}
	case "status":
		err = p.status(rest)
	case "sense":
		if e.Sense, err = parseHex(rest); err == nil && (len(e.Sense) == 0 || len(e.Sense) > scsi.MaxSense) {
			err = fmt.Errorf("sense data of %d bytes", len(e.Sense))
		}
	case "residual":
		var n int64
		if n, err = strconv.ParseInt(rest, 10, 32); err == nil {
			e.Residual = int(n)
		}
	case "time":
		if e.Elapsed, err = time.ParseDuration(rest); err == nil && e.Elapsed < 0 {
			err = errors.New("negative time")
		}
	case "error":
		err = p.failure(rest)
	default:
		err = fmt.Errorf("unknown word %q", word)
	}
	return err
}

func (p *parser) status(s string) error {
	code, _, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(code, 16, 8)
	if err != nil || len(code) != 2 {
		return fmt.Errorf("bad status %q", s)
	}
	p.entry.Status = scsi.Status(n)
	return nil
}

func (p *parser) failure(s string) error {
	kind, text, _ := strings.Cut(s, " ")
	if kind != "unknown" && kind != "not-sent" {
		return fmt.Errorf("error %q is neither unknown nor not-sent", kind)
	}
	p.entry.Failed, p.entry.NotSent, p.entry.Error = true, kind == "not-sent", strings.TrimSpace(text)
	return nil
}

// end finishes the paragraph.
func (p *parser) end() error {
	if p.entry == nil {
		return nil
	}
	e := *p.entry
	switch {
	case !p.seen["cdb"]:
		return errors.New("the paragraph has no cdb")
	case e.Failed && (p.seen["status"] || p.seen["sense"] || p.seen["residual"]):
		return errors.New("the paragraph has an error and an answer")
	case !e.Failed && !p.seen["status"]:
		return errors.New("the paragraph has no status")
	}
	if err := p.checkSize(); err != nil {
		return err
	}
	p.entries = append(p.entries, e)
	p.entry = nil
	return nil
}

// number reads a decimal number from 0 to most.
func number(s string, most int) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || int(n) > most || strings.HasPrefix(s, "+") {
		return 0, fmt.Errorf("%q is no number up to %d", s, most)
	}
	return int(n), nil
}

// parseHex reads 0A 1B 2C: pairs of digits with spaces between.
func parseHex(s string) ([]byte, error) {
	fields := strings.Fields(s)
	b := make([]byte, len(fields))
	for i, f := range fields {
		if len(f) != 2 {
			return nil, fmt.Errorf("bad hexadecimal byte %q", f)
		}
		if _, err := hex.Decode(b[i:i+1], []byte(f)); err != nil {
			return nil, fmt.Errorf("bad hexadecimal byte %q", f)
		}
	}
	return b, nil
}
