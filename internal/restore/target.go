package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"tapectl/internal/mtf"
)

// target is the folder that a restore writes into, and nothing else: os.Root keeps every name inside, whatever
// links are in it.
type target struct {
	root      *os.Root
	path      string
	overwrite Overwrite
	folders   []folder // whose times are set at the end
	// syncer is opened before anything is written: Syncfs reports the errors of writing back that came since then.
	syncer *os.File
	fsync  func(*os.File) error // (*os.File).Sync
}

type folder struct {
	name string
	meta mtf.Metadata
}

// openTarget opens the target folder, and makes it when it is missing.
func openTarget(to string, o Overwrite) (*target, error) {
	switch o {
	case Never, Always, KeepBoth:
	case "":
		o = Never
	default:
		return nil, fmt.Errorf("restore: unknown way to overwrite %q: never, always or keep-both", o)
	}
	abs, err := filepath.Abs(to)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	syncer, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("restore: %w", err)
	}
	return &target{root: root, path: abs, overwrite: o, syncer: syncer, fsync: (*os.File).Sync}, nil
}

func (t *target) close() {
	t.syncer.Close()
	t.root.Close()
}

// clean turns the names from the tape into a path below the root. Names that could lead elsewhere are refused.
func clean(components []string) (string, error) {
	for _, c := range components {
		if c == "" || c == "." || c == ".." || strings.ContainsAny(c, "/\x00") {
			return "", fmt.Errorf("the name %q on the tape is not one of a file", c)
		}
	}
	if len(components) == 0 {
		return ".", nil
	}
	return path.Join(components...), nil
}

// errExists says that a file is in the target already and stays.
var errExists = errors.New("exists already")

// place returns the name to restore to, or errExists.
func (t *target) place(name string) (string, error) {
	_, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return name, nil
	}
	if err != nil {
		return "", err
	}
	switch t.overwrite {
	case Always:
		return name, nil
	case KeepBoth:
		return t.free(name)
	}
	return "", errExists
}

// free returns name with the first number that is not taken.
func (t *target) free(name string) (string, error) {
	ext := path.Ext(name)
	base := strings.TrimSuffix(name, ext)
	for i := 1; i < 10000; i++ {
		candidate := fmt.Sprintf("%s (%d)%s", base, i, ext)
		if _, err := t.root.Lstat(candidate); errors.Is(err, fs.ErrNotExist) {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("%s: there are 10000 of them already", name)
}

// temporary creates the file that the data goes to first, in the folder of name.
func (t *target) temporary(name string) (*os.File, string, error) {
	dir := path.Dir(name)
	if err := t.root.MkdirAll(dir, 0o755); err != nil {
		return nil, "", err
	}
	temp := temporaryName(dir)
	f, err := t.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return f, temp, err
}

func temporaryName(dir string) string {
	return path.Join(dir, ".tapectl-"+uuid.NewString()+".partial")
}

// commit gives a file that was written completely its name and its attributes. It is on stable storage after sync, and
// before it replaces another one: a crash leaves the old file or the new one.
func (t *target) commit(f *os.File, temp, name string, meta mtf.Metadata, hasMeta bool, modified time.Time) error {
	var err error
	if _, serr := t.root.Lstat(name); !errors.Is(serr, fs.ErrNotExist) {
		err = t.fsync(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = t.attributes(temp, meta, hasMeta, modified)
	}
	if err == nil {
		err = t.root.Rename(temp, name)
	}
	return err
}

// attributes sets mode, times and, for root, the owner. Set-user-id bits are restored with the owner only.
func (t *target) attributes(name string, meta mtf.Metadata, hasMeta bool, modified time.Time) error {
	mode := fs.FileMode(0o644)
	if hasMeta {
		mode = fs.FileMode(meta.Mode & 0o777)
		modified = meta.ModTime
		if os.Geteuid() == 0 {
			if err := t.root.Chown(name, int(meta.UID), int(meta.GID)); err != nil {
				return err
			}
			mode |= special(meta.Mode)
		}
	}
	if err := t.root.Chmod(name, mode); err != nil {
		return err
	}
	if modified.IsZero() {
		return nil
	}
	return t.root.Chtimes(name, time.Now(), modified)
}

// special turns the set-id and sticky bits of st_mode into Go's.
func special(mode uint32) fs.FileMode {
	var m fs.FileMode
	if mode&syscall.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if mode&syscall.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if mode&syscall.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// mkdir makes a folder and remembers the attributes that it gets at the end, when nothing is written into it any more.
func (t *target) mkdir(name string, meta mtf.Metadata, hasMeta bool) error {
	if name == "." {
		return nil
	}
	if err := t.root.MkdirAll(name, 0o755); err != nil {
		return err
	}
	if hasMeta {
		t.folders = append(t.folders, folder{name: name, meta: meta})
	}
	return nil
}

// finishFolders sets the attributes of folders, the deepest first. Failures are of no consequence for the data.
func (t *target) finishFolders() {
	for i := len(t.folders) - 1; i >= 0; i-- {
		_ = t.attributes(t.folders[i].name, t.folders[i].meta, true, time.Time{})
	}
}

// sync brings everything that was restored to stable storage: once for all files, because a restore may have millions.
func (t *target) sync() error {
	if err := unix.Syncfs(int(t.syncer.Fd())); err != nil {
		return fmt.Errorf("bring the restored files in %s to stable storage: %w", t.path, err)
	}
	return nil
}

// link makes a symbolic link as it was. What it replaces is there until it is.
func (t *target) link(name, to string) error {
	dir := path.Dir(name)
	if err := t.root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if t.overwrite != Always {
		return t.root.Symlink(to, name) // replaces nothing, whatever has come there since
	}
	temp := temporaryName(dir)
	if err := t.root.Symlink(to, temp); err != nil {
		return err
	}
	if err := t.root.Rename(temp, name); err != nil {
		_ = t.root.Remove(temp)
		return err
	}
	return nil
}

// isFull reports whether the target has no room, so that there is no sense in going on.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
