package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"packhouse/finding"
	"packhouse/pattern"
	"packhouse/trust"
)

// Default is the document to use without a file. It is the vendor's, so that container commands
// without a file work.
//
//go:embed default.yml
var Default []byte

// defaultName is the file name in messages and origins when Default is used.
const defaultName = "(built-in default)"

// Source is where a configuration is loaded from.
type Source struct {
	Path string   // of the file; if Data is set, used only in messages
	Data []byte   // content of the file; nil: read Path, or use Default if Path is empty
	Env  []string // NAME=value, as os.Environ returns them

	ReadFile func(path string) ([]byte, error) // nil: the file system, up to 1 MiB

	elsewhere error // another user can have made Path refer to the file that was read
}

// Loaded is a configuration that was loaded without errors.
type Loaded struct {
	Config  Config
	Path    string            // of the file; empty: the built-in default
	Origins map[string]Origin // origin of each key by path: "http.tls.clientcas[0]", "http.headers.X-Frame-Options"
	Notices Findings          // warnings and notices; never errors

	Set map[string]bool // keys set by the file or a variable
}

// Glimpse returns as much of a configuration as possible, even if [Load] rejects it: enough to find
// the server that uses it. Unreadable values have their defaults, if any.
func Glimpse(src Source) *Config {
	name, data, err := src.open()
	if err != nil {
		name, data = src.Path, nil
	}
	document, _ := readDocument(name, data)
	if document == nil {
		document = &value{form: mapping}
	}
	over := &overlay{readFile: src.ReadFile}
	over.apply(document, src.Env)
	d := &decoder{origins: map[string]Origin{}, set: map[string]bool{}, meant: map[string]bool{}}
	c := new(Config)
	fill(root, c)
	d.section(root, "", document, c)
	d.settle(c, document, Origin{Kind: FromFile, File: name}, src.Path)
	if c.Storage.Driver == "" {
		c.Storage.Driver = Filesystem
	}
	if found := rootLine().FindSubmatch(data); found != nil && !d.set["storage.filesystem.rootdirectory"] {
		c.Storage.Filesystem.RootDirectory = string(found[1])
	}
	return c
}

// rootLine matches the store's root directory in a file that is not valid YAML.
var rootLine = pattern.Lazy(`(?m)^[ \t{]*(?:filesystem:[ \t]*\{[ \t]*)?rootdirectory:[ \t]*["']?([^"'#}\s]+)`)

// Load loads a configuration: the file, then the variables, then the defaults. It validates types
// and combinations, but not what the values refer to (see [Loaded.Verify]). The error has type
// [Findings] and contains everything that is wrong. It repeats no text of a file that another user
// can have made Path refer to.
func Load(src Source) (*Loaded, error) {
	name, data, err := src.open()
	if err != nil {
		return nil, err
	}
	document, problems := readDocument(name, data)
	if document == nil {
		return nil, src.shown(problems)
	}
	over := &overlay{readFile: src.ReadFile}
	over.apply(document, src.Env)
	d := &decoder{origins: map[string]Origin{}, set: map[string]bool{}, meant: map[string]bool{}}
	d.problems = append(append(d.problems, problems...), over.problems...)
	d.notices = over.notices

	loaded := &Loaded{Path: src.Path, Origins: d.origins, Set: d.set}
	c := &loaded.Config
	fill(root, c)
	d.section(root, "", document, c)
	whole := Origin{Kind: FromFile, File: name}
	d.settle(c, document, whole, src.Path)
	if len(d.problems) > 0 {
		d.problems.sort()
		return nil, src.shown(slices.CompactFunc(d.problems, func(a, b finding.Finding) bool { return a == b }))
	}
	walk(root, "", func(path string, k *key) {
		if _, known := d.origins[path]; !known && k.bind != nil && !strings.Contains(path, "[]") {
			d.origins[path] = Origin{Kind: FromDefault}
		}
	})
	d.notices.sort()
	loaded.Notices = d.notices
	return loaded, nil
}

// shown returns the problems of a file, or one in their place if another user can have made Path
// refer to a file that only this user can read.
func (src *Source) shown(problems Findings) Findings {
	if src.elsewhere == nil {
		return problems
	}
	return Findings{src.refusal(CodeUnsafe,
		"is not valid; the errors are not shown, because another user can have made it refer to this file: "+
			src.elsewhere.Error(),
		"name the file that the link refers to")}
}

// refusal returns a finding about the whole file.
func (src *Source) refusal(code, what, remedy string) finding.Finding {
	return Origin{File: src.Path}.Finding(code, finding.Refused, "", what, remedy)
}

// open returns the name and content of the file. It sets ReadFile, if it is nil, and elsewhere.
func (src *Source) open() (string, []byte, error) {
	read := src.ReadFile
	if read == nil {
		src.ReadFile = readBounded
		read = func(path string) (data []byte, err error) {
			data, src.elsewhere, err = readChecked(path)
			return data, err
		}
	}
	switch {
	case src.Data != nil:
		return src.Path, src.Data, nil
	case src.Path == "":
		return defaultName, Default, nil
	}
	data, err := read(src.Path)
	if err != nil {
		p := src.refusal(CodeRead, "cannot be read: "+Reason(err), "let the server's user read it")
		if errors.Is(err, os.ErrNotExist) {
			p.What, p.Remedy = "not found", "correct the path, or run packhouse setup to create the file"
			if other := Elsewhere(src.Path); other != "" {
				p.Remedy = fmt.Sprintf("a file of that name is at %s", other)
			}
		}
		if errors.Is(err, syscall.EISDIR) { // container runtimes create a directory for a missing mount source
			p.What = "is a directory"
			p.Remedy = "name the file inside it; if a container engine made the directory because it was to mount " +
				"a file that does not exist, " + trust.MoveAway(src.Path) + " and create the file"
		}
		if errors.Is(err, errNotRegular) {
			p.What, p.Remedy = "is a pipe, a socket or a device", "name the configuration file itself"
		}
		return "", nil, Findings{p}
	}
	if data == nil {
		data = []byte{}
	}
	return src.Path, data, nil
}

// usual are common configuration directories, to search for a file mounted into a different one
// than the command line names.
var usual = []string{"/etc/packhouse", "/etc/spectropaxconfig", "/etc/spectro", "/etc/distribution", "/etc/docker/registry", "/etc"}

// Elsewhere returns the path of a file that was probably meant by path, or "".
func Elsewhere(path string) string {
	for _, dir := range usual {
		other := filepath.Join(dir, filepath.Base(path))
		if info, err := os.Stat(other); err == nil && other != filepath.Clean(path) && info.Mode().IsRegular() {
			return other
		}
	}
	return ""
}

var errNotRegular = errors.New("not a regular file")

func readBounded(path string) ([]byte, error) {
	data, _, err := readChecked(path)
	return data, err
}

// readChecked returns the content of a file, and what [trust.CheckOpened] returns for it.
func readChecked(path string) (data []byte, elsewhere, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // do not block on a pipe
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, nil, &fs.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(f, MaxFile+1))
	return b.Bytes(), trust.CheckOpened(path, f), err
}

// Name returns the name of the file for messages.
func (l *Loaded) Name() string {
	if l.Path == "" {
		return defaultName
	}
	return l.Path
}
