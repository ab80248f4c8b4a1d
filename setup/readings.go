package setup

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"packhouse/finding"
	"packhouse/trust"
)

// readings caches the files of an installation as first read. Each file is read once, so that a
// plan is based on one state, which [Apply] can compare with the disk. It is safe for concurrent
// use.
type readings struct {
	mu    sync.Mutex
	files map[string]reading
}

// reading is the content and the metadata of a file, both from the same descriptor.
type reading struct {
	content
	err error // wraps fs.ErrNotExist if the file does not exist
}

// read returns a file as first read. Errors other than fs.ErrNotExist are not cached. A nil r
// caches nothing.
func (r *readings) read(p places, path string) (content, error) {
	if r == nil {
		return p.load(path)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if seen, ok := r.files[path]; ok {
		return seen.content, seen.err
	}
	c, err := p.load(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return content{}, err
	}
	if r.files == nil {
		r.files = map[string]reading{}
	}
	r.files[path] = reading{c, err}
	return c, err
}

// readOwn is read for a file that only this program writes. The file must not be a link or writable
// by other users.
func (r *readings) readOwn(path string) ([]byte, error) {
	f, err := trust.Self().Open(path)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	c, err := r.read(places{}, path)
	return c.data, err
}

// differs returns the first path, in order, that both have read with different contents, or "".
func (r *readings) differs(later *readings) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	later.mu.Lock()
	defer later.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(r.files)) {
		now, ok := later.files[path]
		if was := r.files[path]; ok && (string(was.data) != string(now.data) || (was.err == nil) != (now.err == nil)) {
			return path
		}
	}
	return ""
}

// read returns the content of a file of the installation. It reads the file once.
func (in *Installed) read(path string) ([]byte, error) {
	c, err := in.readings.read(in.places(), path)
	return c.data, err
}

// VerifyUnchanged returns a *finding.Error if a file of the installation differs from when shown was
// loaded.
func (in *Installed) VerifyUnchanged(shown *Installed) error {
	if shown == nil || shown.Dir != in.Dir || shown.readings == nil || in.readings == nil {
		return nil
	}
	if path := shown.readings.differs(in.readings); path != "" {
		return changedMeanwhile(path)
	}
	return nil
}

// VerifyLast returns a *finding.Error if applied is not the latest change of the installation.
func (in *Installed) VerifyLast(applied *Applied) error {
	if applied != nil && applied.Backup != "" && filepath.Base(applied.Backup) != in.Backup.UTC().Format(backupTime) {
		return changedMeanwhile(in.Dir)
	}
	return nil
}

// VerifyUnchanged returns a *finding.Error if a file on disk differs from what the plan is based on.
func (p *Plan) VerifyUnchanged() error {
	from := places{users: p.serverUsers()}
	for _, c := range p.Changes {
		if c.Mode.IsDir() || c.Kind == Keep && c.Before == nil {
			continue
		}
		data, err := from.readLinked(c.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && c.Before == nil:
		case errors.Is(err, fs.ErrNotExist), err == nil && (c.Before == nil || !bytes.Equal(data, c.Before)):
			return changedMeanwhile(c.Path)
		case err != nil:
			return refuseUnsafe(err)
		}
	}
	return nil
}

// changedMeanwhile returns the error for a file that changed after the plan was made.
func changedMeanwhile(path string) error {
	return finding.NewError(refused(CodeChanged, path+" was changed by another program in the meantime", "run the command again"))
}
