package installation

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"packhouse/setup"
	"packhouse/trust"
)

// Readings caches the files of an installation as first read. Each file is read once, so that a
// plan is based on one state, which [apply.Apply] can compare with the disk. It is safe for concurrent
// use.
type Readings struct {
	mu    sync.Mutex
	files map[string]reading
}

// reading is the content and the metadata of a file, both from the same descriptor.
type reading struct {
	content
	err error // wraps fs.ErrNotExist if the file does not exist
}

// Read returns a file as first read. Errors other than fs.ErrNotExist are not cached. A nil r
// caches nothing.
func (r *Readings) Read(p Places, path string) (content, error) {
	if r == nil {
		return p.Load(path)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if seen, ok := r.files[path]; ok {
		return seen.content, seen.err
	}
	c, err := p.Load(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return content{}, err
	}
	if r.files == nil {
		r.files = map[string]reading{}
	}
	r.files[path] = reading{c, err}
	return c, err
}

// ReadOwn is read for a file that only this program writes. The file must not be a link or writable
// by other users.
func (r *Readings) ReadOwn(path string) ([]byte, error) {
	f, err := trust.Self().Open(path)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	c, err := r.Read(Places{}, path)
	return c.Data, err
}

// differs returns the first path, in order, that both have read with different contents, or "".
func (r *Readings) differs(later *Readings) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	later.mu.Lock()
	defer later.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(r.files)) {
		now, ok := later.files[path]
		if was := r.files[path]; ok && (string(was.Data) != string(now.Data) || (was.err == nil) != (now.err == nil)) {
			return path
		}
	}
	return ""
}

// read returns the content of a file of the installation. It reads the file once.
func (in *Installed) read(path string) ([]byte, error) {
	c, err := in.Readings.Read(in.Places(), path)
	return c.Data, err
}

// VerifyUnchanged returns a *finding.Error if a file of the installation differs from when shown was
// loaded.
func (in *Installed) VerifyUnchanged(shown *Installed) error {
	if shown == nil || shown.Dir != in.Dir || shown.Readings == nil || in.Readings == nil {
		return nil
	}
	if path := shown.Readings.differs(in.Readings); path != "" {
		return ChangedMeanwhile(path)
	}
	return nil
}

// ChangedMeanwhile returns the error for a file that changed after the plan was made.
func ChangedMeanwhile(path string) error {
	return setup.Refusal(setup.CodeChanged, path+" was changed by another program in the meantime",
		"run the command again")
}
