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
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// Default is the document that is used when no file is named: the vendor's, so that container lines without a file work.
//
//go:embed default.yml
var Default []byte

// defaultName stands for the file in places and origins when Default is used.
const defaultName = "(built-in default)"

// Source says where a configuration comes from.
type Source struct {
	Path string   // of the file; with Data given only its name in messages
	Data []byte   // content of the file; nil: Path is read, or Default is used when Path is empty too
	Env  []string // NAME=value, as os.Environ returns them

	ReadFile func(path string) ([]byte, error) // nil: the file system, up to 1 MiB
}

// Loaded is a configuration that was read without errors.
type Loaded struct {
	Config  Config
	Path    string            // of the file; empty: the built-in default
	Origins map[string]Origin // where each key comes from, by its path: "http.tls.clientcas[0]", "http.headers.X-Frame-Options"
	Notices []Problem         // warnings and notices; never errors

	set map[string]bool // keys that the file or a variable gave
}

// Glimpse returns what can be made out of a configuration, even of one that [Load] refuses: enough to find the server that runs on it. What
// cannot be read has its default, as far as there is one.
func Glimpse(src Source) *Config {
	if src.ReadFile == nil {
		src.ReadFile = readBounded
	}
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
	if found := rootLine.FindSubmatch(data); found != nil && !d.set["storage.filesystem.rootdirectory"] {
		c.Storage.Filesystem.RootDirectory = string(found[1])
	}
	return c
}

// rootLine finds the directory of the store in a file that is not YAML any more.
var rootLine = regexp.MustCompile(`(?m)^[ \t{]*(?:filesystem:[ \t]*\{[ \t]*)?rootdirectory:[ \t]*["']?([^"'#}\s]+)`)

// Load reads a configuration: the file, then the variables, then the defaults; it checks types and combinations, and looks at nothing
// else (see [Loaded.Verify]). The error is of type [Problems] and holds everything that is wrong.
func Load(src Source) (*Loaded, error) {
	if src.ReadFile == nil {
		src.ReadFile = readBounded
	}
	name, data, err := src.open()
	if err != nil {
		return nil, err
	}
	document, problems := readDocument(name, data)
	if document == nil {
		return nil, problems
	}
	over := &overlay{readFile: src.ReadFile}
	over.apply(document, src.Env)
	d := &decoder{origins: map[string]Origin{}, set: map[string]bool{}, meant: map[string]bool{}}
	d.problems = append(append(d.problems, problems...), over.problems...)
	d.notices = over.notices

	loaded := &Loaded{Path: src.Path, Origins: d.origins, set: d.set}
	c := &loaded.Config
	fill(root, c)
	d.section(root, "", document, c)
	whole := Origin{Kind: FromFile, File: name}
	d.settle(c, document, whole, src.Path)
	if len(d.problems) > 0 {
		d.problems.sort()
		return nil, slices.CompactFunc(d.problems, func(a, b Problem) bool { return a == b })
	}
	walk(root, "", func(path string, k *key) {
		if _, known := d.origins[path]; !known && k.bind != nil && !strings.Contains(path, "[]") {
			d.origins[path] = Origin{Kind: FromDefault}
		}
	})
	notices := Problems(d.notices)
	notices.sort()
	loaded.Notices = notices
	return loaded, nil
}

// open returns the name and the content of the file.
func (src Source) open() (string, []byte, error) {
	switch {
	case src.Data != nil:
		return src.Path, src.Data, nil
	case src.Path == "":
		return defaultName, Default, nil
	}
	data, err := src.ReadFile(src.Path)
	if err != nil {
		p := Problem{Code: CodeRead, Severity: Error, File: src.Path, What: "cannot be read: " + reason(err), Remedy: "let the server's user read it"}
		if errors.Is(err, os.ErrNotExist) {
			p.What, p.Remedy = "not found", "name the file that is there, or create it with packhouse setup"
			if other := elsewhere(src.Path); other != "" {
				p.Remedy = fmt.Sprintf("a file of that name is at %s", other)
			}
		}
		if errors.Is(err, syscall.EISDIR) { // what a container runtime puts where the file to mount is not there
			p.What, p.Remedy = "is a directory", "name the file inside it; was a file mounted here that is not there outside?"
		}
		if errors.Is(err, errNotRegular) {
			p.What, p.Remedy = "is a pipe, a socket or a device", "name the configuration file itself"
		}
		return "", nil, Problems{p}
	}
	if data == nil {
		data = []byte{}
	}
	return src.Path, data, nil
}

// usual are the directories where configurations lie; a file mounted into one while the command line names another is a common slip.
var usual = []string{"/etc/packhouse", "/etc/spectropaxconfig", "/etc/spectro", "/etc/distribution", "/etc/docker/registry", "/etc"}

func elsewhere(path string) string {
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
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // does not wait for the other end of a pipe
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(f, maxFile+1))
	return b.Bytes(), err
}
