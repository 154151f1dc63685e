package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"syscall"
	"time"

	"tapectl/internal/mtf"
)

// Stdin is the source that means standard input.
const Stdin = "-"

// SourceError is something of a source that could not be backed up, or not completely.
type SourceError struct {
	Path string
	Err  error
}

// Error names the path and the cause.
func (e SourceError) Error() string {
	var pe *fs.PathError
	if errors.As(e.Err, &pe) && pe.Path == e.Path {
		return fmt.Sprintf("%s %s: %v", pe.Op, e.Path, pe.Err)
	}
	return fmt.Sprintf("%s: %v", e.Path, e.Err)
}

// Unwrap gives the cause.
func (e SourceError) Unwrap() error { return e.Err }

// source is one thing to back up: a file, a folder or standard input. Each becomes a volume of the data set.
type source struct {
	path  string // absolute; Stdin for standard input
	info  fs.FileInfo
	stdin io.Reader
	name  string // file name for standard input
}

// visitor takes what a walk finds, in the order of the data set: a directory, its files, then its subdirectories.
type visitor interface {
	volume(path string) error
	directory(rel []string, info fs.FileInfo) error
	file(path string, rel []string, info fs.FileInfo, open func() (io.ReadCloser, error)) error
	stdin(name string, r io.Reader) error
	skip(SourceError)
}

// resolveSources looks at the sources before any tape is touched: each must exist and be readable.
func resolveSources(paths []string, stdin io.Reader, stdinName string) ([]source, error) {
	if len(paths) == 0 {
		return nil, errors.New("back up: no source is named")
	}
	var sources []source
	hasStdin := false
	for _, p := range paths {
		if p == Stdin {
			if hasStdin || stdin == nil {
				return nil, errors.New("back up: standard input can be named once")
			}
			hasStdin = true
			sources = append(sources, source{path: Stdin, stdin: stdin, name: stdinName})
			continue
		}
		s, err := resolveSource(p)
		if err != nil {
			return nil, fmt.Errorf("back up: %w", err)
		}
		if !slices.ContainsFunc(sources, func(o source) bool { return o.path == s.path }) {
			sources = append(sources, s)
		}
	}
	return sources, nil
}

func resolveSource(path string) (source, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return source{}, err
	}
	info, err := os.Stat(abs) // a link that the operator names is followed
	if err != nil {
		return source{}, err
	}
	switch {
	case info.IsDir(), info.Mode().IsRegular():
	default:
		return source{}, fmt.Errorf("%s is neither a file nor a folder but %s", abs, kindOf(info.Mode()))
	}
	f, err := os.Open(abs)
	if err != nil {
		return source{}, err
	}
	return source{path: abs, info: info}, f.Close()
}

// measure adds up the regular files of the sources, for progress and estimates. It returns -1 bytes when standard
// input is among them.
func measure(ctx context.Context, sources []source) (bytes, files int64, err error) {
	unknown := false
	for _, s := range sources {
		if s.path == Stdin {
			unknown = true
			files++
			continue
		}
		err := filepath.WalkDir(s.path, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return ctx.Err()
			}
			if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
				bytes += info.Size()
			}
			files++
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	if unknown {
		bytes = -1
	}
	return bytes, files, nil
}

// walk visits everything of the source. Errors of the source go to v.skip; errors of the visitor end the walk.
func (s source) walk(ctx context.Context, v visitor) error {
	if s.path == Stdin {
		if err := v.volume("stdin"); err != nil {
			return err
		}
		if err := v.directory(nil, nil); err != nil {
			return err
		}
		return v.stdin(s.name, s.stdin)
	}
	if s.info.IsDir() {
		if err := v.volume(s.path); err != nil {
			return err
		}
		return walkDirectory(ctx, v, s.path, nil, s.info)
	}
	folder := filepath.Dir(s.path)
	if err := v.volume(folder); err != nil {
		return err
	}
	info, err := os.Stat(folder)
	if err != nil {
		info = nil
	}
	if err := v.directory(nil, info); err != nil {
		return err
	}
	return walkFile(v, s.path, []string{filepath.Base(s.path)}, s.info)
}

func walkDirectory(ctx context.Context, v visitor, path string, rel []string, info fs.FileInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		v.skip(SourceError{Path: path, Err: err})
		if len(entries) == 0 && len(rel) > 0 {
			return nil
		}
	}
	if err := v.directory(rel, info); err != nil {
		return err
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	var folders []fs.DirEntry
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e)
			continue
		}
		if err := walkEntry(v, filepath.Join(path, e.Name()), child(rel, e.Name()), e); err != nil {
			return err
		}
	}
	for _, e := range folders {
		info, err := e.Info()
		if err != nil {
			v.skip(SourceError{Path: filepath.Join(path, e.Name()), Err: err})
			continue
		}
		if err := walkDirectory(ctx, v, filepath.Join(path, e.Name()), child(rel, e.Name()), info); err != nil {
			return err
		}
	}
	return nil
}

// child returns rel with one more component, in memory of its own.
func child(rel []string, name string) []string {
	return append(rel[:len(rel):len(rel)], name)
}

func walkEntry(v visitor, path string, rel []string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		v.skip(SourceError{Path: path, Err: err})
		return nil
	}
	return walkFile(v, path, rel, info)
}

func walkFile(v visitor, path string, rel []string, info fs.FileInfo) error {
	switch {
	case info.Mode().IsRegular():
		return v.file(path, rel, info, func() (io.ReadCloser, error) { return os.Open(path) })
	case info.Mode()&fs.ModeSymlink != 0:
		return v.file(path, rel, info, nil)
	}
	v.skip(SourceError{Path: path, Err: fmt.Errorf("is %s and was left out", kindOf(info.Mode()))})
	return nil
}

// kindOf names what a file is that is neither a file nor a folder.
func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "something else"
}

// metadata takes over what the tape keeps of a file's inode.
func metadata(info fs.FileInfo) (mtf.Metadata, time.Time) {
	if info == nil {
		return mtf.Metadata{Mode: syscall.S_IFDIR | 0o755}, time.Time{}
	}
	m := mtf.Metadata{Mode: uint32(info.Mode().Perm()), ModTime: info.ModTime()}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return m, time.Time{}
	}
	m.Mode, m.UID, m.GID = st.Mode, st.Uid, st.Gid
	return m, time.Unix(st.Atim.Sec, st.Atim.Nsec)
}
