package packs

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/pattern"
)

// Diff is the difference between two packs, usually versions of one.
type Diff struct {
	From     Side     `json:"from"`
	To       Side     `json:"to"`
	Metadata []Change `json:"packJson"` // by key of pack.json
	Charts   []Change `json:"charts"`   // versions by name of the chart
	Images   []Change `json:"images"`   // tags and digests by repository
	Values   []Change `json:"values"`   // by key of values.yaml, without the list of images
	Files    []Change `json:"files"`    // sizes in bytes by path

	Truncated []string `json:"truncated,omitempty"` // names of lists that were cut
}

// Side is one of the packs of a Diff.
type Side struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Change is a difference. Old is nil if something was added, New if it was removed.
type Change struct {
	Key string  `json:"key"`
	Old *string `json:"old"`
	New *string `json:"new"`
}

// Sign returns + for an addition, - for a removal and ~ for a change.
func (c Change) Sign() string {
	switch {
	case c.Old == nil:
		return "+"
	case c.New == nil:
		return "-"
	}
	return "~"
}

// Limits of a Diff.
const (
	maxChanges     = 1000 // of one list
	maxChangeValue = 300  // bytes of a value that is shown
)

// DiffInput is what Compare needs of a pack.
type DiffInput struct {
	Metadata []byte // pack.json
	Values   []byte // values.yaml
	Images   []Image
	Files    []File // with SHA256
}

// DiffInput returns the input of Compare. Files of a folder have no SHA256 before HashFiles.
func (p *Pack) DiffInput() DiffInput {
	return DiffInput{p.Document(MetadataFile), p.Document(ValuesFile), p.Images, p.Files}
}

// Compare returns the difference between two packs.
func Compare(from, to DiffInput) Diff {
	d := Diff{From: from.side(), To: to.side()}
	list := func(name string, before, after keyValues) []Change {
		changes, cut := compareKeys(before.values, after.values)
		if cut || before.cut || after.cut {
			d.Truncated = append(d.Truncated, name)
		}
		return changes
	}
	d.Metadata = list("packJson", metadataKeys(from.Metadata), metadataKeys(to.Metadata))
	d.Charts = list("charts", chartVersions(from.Files), chartVersions(to.Files))
	d.Images = list("images", imageTags(from.Images), imageTags(to.Images))
	d.Values = list("values", valueKeys(from.Values), valueKeys(to.Values))
	files, cut := compareFiles(from.Files, to.Files)
	if d.Files = files; cut {
		d.Truncated = append(d.Truncated, "files")
	}
	return d
}

// Empty reports whether the packs have the same content.
func (d *Diff) Empty() bool {
	return len(d.Metadata)+len(d.Charts)+len(d.Images)+len(d.Values)+len(d.Files) == 0
}

func (i DiffInput) side() Side {
	m, _ := ParseMetadata(i.Metadata)
	if m == nil {
		return Side{}
	}
	return Side{m.Name, m.Version}
}

// compareKeys returns the differences of two mappings, sorted by key.
func compareKeys(before, after map[string]string) (changes []Change, cut bool) {
	keys := slices.Sorted(maps.Keys(before))
	for key := range after {
		if _, both := before[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	changes = []Change{}
	for _, key := range keys {
		before, was := before[key]
		after, is := after[key]
		if was && is && before == after {
			continue
		}
		if len(changes) == maxChanges {
			return changes, true
		}
		changes = append(changes, Change{key, shown(before, was), shown(after, is)})
	}
	return changes, false
}

// shown returns a value for display, or nil if there is none.
func shown(value string, exists bool) *string {
	if !exists {
		return nil
	}
	value = clip(value, maxChangeValue)
	return &value
}

// chartFile splits the file name of a packaged chart into name and version.
var chartFile = pattern.Lazy(`^(.+?)-(v?[0-9]+\.[0-9].*)$`)

// chartVersions returns the versions of the packaged charts of a pack by name.
func chartVersions(files []File) keyValues {
	versions := map[string]string{}
	for _, f := range files {
		if path.Dir(f.Path) != "charts" || path.Ext(f.Path) != ".tgz" {
			continue
		}
		name := strings.TrimSuffix(path.Base(f.Path), ".tgz")
		version := "?"
		if m := chartFile().FindStringSubmatch(name); m != nil {
			name, version = m[1], m[2]
		}
		versions[name] = version
	}
	return keyValues{values: versions}
}

// imageTags returns the tags and digests of images by repository.
func imageTags(images []Image) keyValues {
	tags := map[string][]string{}
	for _, i := range images {
		repository := repositoryOf(i.Reference)
		tags[repository] = append(tags[repository], strings.TrimPrefix(strings.TrimPrefix(i.Reference, repository), ":"))
	}
	joined := map[string]string{}
	for repository, all := range tags {
		slices.Sort(all)
		joined[repository] = strings.Join(slices.Compact(all), ", ")
	}
	return keyValues{values: joined}
}

// compareFiles returns the files that were added, removed or changed.
func compareFiles(before, after []File) (changes []Change, cut bool) {
	old := make(map[string]File, len(before))
	for _, f := range before {
		old[f.Path] = f
	}
	size := func(f File) *string { return shown(strconv.FormatInt(f.Size, 10), true) }
	changes = []Change{}
	for _, f := range after {
		was, both := old[f.Path]
		delete(old, f.Path)
		switch {
		case !both:
			changes = append(changes, Change{Key: f.Path, New: size(f)})
		case was.SHA256 != f.SHA256:
			changes = append(changes, Change{f.Path, size(was), size(f)})
		}
	}
	for _, f := range old {
		changes = append(changes, Change{Key: f.Path, Old: size(f)})
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Key, b.Key) })
	if cut = len(changes) > maxChanges; cut {
		changes = slices.Clone(changes[:maxChanges])
	}
	return changes, cut
}

// HashFiles sets the SHA256 of the files of a pack that was opened from a file system.
func (p *Pack) HashFiles(fsys fs.FS) error {
	for i, f := range p.Files {
		file, err := fsys.Open(f.Path)
		if err != nil {
			return fmt.Errorf("open pack: %w", err)
		}
		sum, err := digest.SHA256.FromReader(file)
		_ = file.Close() // read only
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Path, err)
		}
		p.Files[i].SHA256 = sum.Encoded()
	}
	return nil
}
