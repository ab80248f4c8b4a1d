package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"packhouse/trust"
)

// filesFile is the file of a backup that contains all managed files as the backup's change left
// them. It gives a repair a good copy even of files that the change did not touch.
const filesFile = "files.json"

// managedFile is one file in filesFile.
type managedFile struct {
	Path    string `json:"path"`    // as in journals
	Content []byte `json:"content"` // base64
}

// writeManaged writes the managed files, as a plan leaves them, to the backup in progress. It omits
// the CA's key, which users may move away, and generated passwords, which users are asked to
// delete.
func (w *worker) writeManaged(p *Plan) error {
	files, err := w.managed(p)
	if err != nil {
		return fmt.Errorf("keep managed files: %w", err)
	}
	return w.writeJSON(w.work(oldDir, filesFile), files)
}

// managed returns the managed files as a plan leaves them.
func (w *worker) managed(p *Plan) (files []managedFile, err error) {
	r := w.roots()
	add := func(path string, content []byte) {
		if name := rel(w.dir, path); name == CAKeyFile || name == PasswordsFile || err != nil {
			return
		}
		var text string
		if text, err = r.encode(path); err == nil {
			files = append(files, managedFile{Path: text, Content: content})
		}
	}
	for _, c := range p.Changes {
		if !c.Mode.IsDir() && c.Kind != Remove && c.After != nil {
			add(c.Path, c.After)
		}
	}
	if p.installed == nil || p.installed.Manifest == nil {
		return files, err
	}
	for _, row := range p.installed.Manifest.Files { // the plan need not list unchanged files
		path := row.at(w.dir)
		if p.change(path) != nil || p.installed.ownsStore(path) {
			continue // the server's user can write the owner record, and plans write it again
		}
		data, failure := w.readLinked(path)
		if failure != nil {
			if errors.Is(failure, fs.ErrNotExist) || trust.Unsafe(failure) != nil {
				continue // a link or a pipe is in its place
			}
			return nil, failure
		}
		add(path, data)
	}
	return files, err
}

// managedIn returns the content of a managed file as the change of a backup left it, or nil.
func (in *Installed) managedIn(generation, path string) []byte {
	data, err := in.places().read(filepath.Join(in.Dir, BackupDir, generation, filesFile))
	if err != nil {
		return nil
	}
	var files []managedFile
	if json.Unmarshal(data, &files) != nil {
		return nil
	}
	r := rootsOf(in.Dir).withUnit(in.unit)
	for _, f := range files {
		if decoded, err := r.decode(f.Path, false); err == nil && decoded == path {
			return f.Content
		}
	}
	return nil
}

// goodCopy is a version of myconfig.yml that the server accepts, with its description.
type goodCopy struct {
	data []byte
	what string
}
