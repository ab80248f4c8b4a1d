package packs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"

	"packhouse/finding"
)

// PushOptions are the options of a push. Only Dir is required.
type PushOptions struct {
	Dir             string
	Group           string    // overrides the one in pack.json
	Force           bool      // overwrite an existing version
	Message         string    // reason for overwriting, stored in the manifest
	SkipDigestCheck bool      // write the manifest again even if the archive is the same
	Created         time.Time // stored in the manifest, see Spec

	Validate  func(*Pack) []finding.Finding // finds the problems of the pack, at least those of Lint; nil: Lint
	Lint      func([]finding.Finding)       // called once with all problems of the pack; may be nil
	Archiving func(done, total int64)       // called with the bytes of the folder archived so far; may be nil
	Progress  func(done, total int64)       // called with the bytes of the archive sent so far; may be nil
}

// Pushed describes a pushed pack.
type Pushed struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Tag        string   `json:"tag"`
	Repository string   `json:"repository"`
	Digest     string   `json:"digest"`    // of the manifest: Palette stores it
	Archive    string   `json:"archive"`   // of the archive
	Size       int64    `json:"size"`      // of the archive, in bytes
	Unchanged  bool     `json:"unchanged"` // the version was there already, with the same archive
	Replaced   string   `json:"replaced,omitempty"`
	ParentTags []string `json:"parentTags"`
	FolderErr  error    `json:"-"` // the empty artifact above all packs could not be pushed, but the pack was
}

// Push validates the pack in a folder, archives it, pushes it as the OCI artifact that Palette
// reads, and verifies that the registry has it. It returns a *Refused if the pack has errors, and a
// *Failure for everything else that prevents the push.
//
// A version that exists with the same archive is left as it is and reported as unchanged; with
// SkipDigestCheck, only if its manifest is the same, too. One with
// another archive is overwritten only with Force, as in the vendor's CLI; it stays readable by
// digest as long as the registry keeps it.
func (c *Client) Push(ctx context.Context, o PushOptions) (*Pushed, error) {
	pack, err := OpenDir(o.Dir)
	if err != nil {
		return nil, err
	}
	validate := (*Pack).Lint
	if o.Validate != nil {
		validate = o.Validate
	}
	problems := validate(pack)
	if o.Lint != nil {
		o.Lint(problems)
	}
	if finding.AnyRefused(problems) {
		return nil, &Refused{problems}
	}
	tag := pack.Metadata.Tag()
	if o.Group != "" {
		if !groupName().MatchString(o.Group) {
			return nil, fail(
				CodeGroup, fmt.Sprintf("%s cannot be a group", quote(o.Group)), "use letters, digits, . - and single _",
			)
		}
		tag.Group = o.Group
	}
	if _, err := ParseTag(tag.String()); err != nil {
		return nil, err
	}
	archive, made, err := archiveToFile(ctx, pack, o)
	if err != nil {
		return nil, err
	}
	defer removeFile(archive)
	p := &push{
		c: c, o: o, tag: tag.String(), archive: archive,
		layer: ocispec.Descriptor{
			MediaType: ArchiveMediaType, Digest: digest.Digest(made.Digest), Size: made.Size,
			Annotations: map[string]string{AnnotationTitle: pack.Metadata.Title()},
		},
		result: Pushed{
			Name: pack.Metadata.Name, Version: pack.Metadata.Version, Tag: tag.String(), Archive: made.Digest, Size: made.Size, ParentTags: tag.Parents(),
		},
	}
	if err := p.run(ctx); err != nil {
		return nil, c.explain(err)
	}
	return &p.result, nil
}

// archiveToFile writes an archive to a temporary file: a registry needs its digest and size first.
func archiveToFile(ctx context.Context, pack *Pack, o PushOptions) (*os.File, Archived, error) {
	file, err := os.CreateTemp("", "packhouse-pack-*.tar.gz")
	if err != nil {
		return nil, Archived{}, fmt.Errorf("make archive: %w", err)
	}
	made, err := Archive(ctx, file, o.Dir, func(done int64) {
		if o.Archiving != nil {
			o.Archiving(done, pack.size())
		}
	})
	if err != nil {
		removeFile(file)
		return nil, Archived{}, err
	}
	return file, made, nil
}

func removeFile(file *os.File) {
	_ = file.Close()
	_ = os.Remove(file.Name())
}

// push is a push in progress.
type push struct {
	c       *Client
	o       PushOptions
	tag     string
	archive *os.File
	layer   ocispec.Descriptor
	result  Pushed
}

func (p *push) run(ctx context.Context) error {
	repository, err := p.c.repository(p.result.Name)
	if err != nil {
		return err
	}
	p.result.Repository = repository.Reference.Repository
	unchanged, err := p.mayPush(ctx, repository)
	if err != nil {
		return err
	}
	p.result.Unchanged = unchanged
	p.result.FolderErr = p.c.explain(p.c.pushFolder(ctx))
	if err := pushIfMissing(ctx, repository, ConfigDescriptor(), EmptyConfig()); err != nil {
		return err
	}
	if err := p.pushArchive(ctx, repository); err != nil || unchanged {
		return err
	}
	text, manifest, err := NewManifest(Spec{
		Archive: p.layer.Digest, Size: p.layer.Size, Title: p.layer.Annotations[AnnotationTitle],
		Message: p.o.Message, Created: p.o.Created,
	})
	if err != nil {
		return err
	}
	if err := repository.PushReference(ctx, manifest, bytes.NewReader(text), p.tag); err != nil {
		return err
	}
	p.result.Digest = manifest.Digest.String()
	if p.result.Replaced == p.result.Digest {
		p.result.Replaced, p.result.Unchanged = "", true
	}
	return p.verify(ctx, repository, manifest)
}

// mayPush checks what the tag refers to already: nothing, a version that may be overwritten, or the
// same archive (unchanged).
func (p *push) mayPush(ctx context.Context, repository *remote.Repository) (unchanged bool, err error) {
	old, manifest, err := fetchArtifact(ctx, repository, p.tag)
	var problem *Invalid
	switch {
	case isNotFound(err):
		return false, nil
	case errors.As(err, &problem):
		old = &Artifact{} // not a pack: overwrite it like a version
	case err != nil:
		return false, err
	}
	if old.Archive == p.layer.Digest && !p.o.SkipDigestCheck {
		p.result.Digest = manifest.Digest.String()
		return true, nil
	}
	if !p.o.Force {
		return false, fail(CodeVersionExists,
			fmt.Sprintf("%s:%s already exists with other content", p.result.Name, p.tag),
			"push another version, because clusters that use this one remember its digest; --force overwrites it")
	}
	p.result.Replaced = manifest.Digest.String()
	return false, nil
}

// pushFolder pushes the empty artifact that the vendor's documentation requires above all packs,
// once per client. Its bytes are always the same.
func (c *Client) pushFolder(ctx context.Context) error {
	c.folder.Lock()
	defer c.folder.Unlock()
	if c.folderPushed {
		return nil
	}
	repository, err := c.repository("")
	if err != nil {
		return err
	}
	text, manifest, err := folderManifest()
	if err != nil {
		return err
	}
	c.folderPushed, err = repository.Manifests().Exists(ctx, manifest)
	if err != nil || c.folderPushed {
		return err
	}
	if err := pushIfMissing(ctx, repository, ConfigDescriptor(), EmptyConfig()); err != nil {
		return err
	}
	err = repository.Push(ctx, manifest, bytes.NewReader(text))
	c.folderPushed = err == nil
	return err
}

func pushIfMissing(ctx context.Context, repository *remote.Repository, blob ocispec.Descriptor, text []byte) error {
	if there, err := repository.Blobs().Exists(ctx, blob); there || err != nil {
		return err
	}
	return repository.Blobs().Push(ctx, blob, bytes.NewReader(text))
}

// pushAttempts is how often an upload is attempted if connections break.
const pushAttempts = 3

func (p *push) pushArchive(ctx context.Context, repository *remote.Repository) error {
	there, err := repository.Blobs().Exists(ctx, p.layer)
	if err != nil {
		return err
	}
	if there {
		p.progress(p.layer.Size)
		return nil
	}
	for attempt := 1; ; attempt++ {
		if _, err := p.archive.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		err := repository.Blobs().Push(ctx, p.layer, &meter{r: p.archive, tell: p.progress})
		var broken *Failure
		if err == nil || attempt == pushAttempts || ctx.Err() != nil || !errors.As(p.c.explain(err), &broken) || broken.Code != CodeServerTimeout {
			return err
		}
	}
}

func (p *push) progress(done int64) {
	if p.o.Progress != nil {
		p.o.Progress(done, p.layer.Size)
	}
}

// meter reports how much was read.
type meter struct {
	r    io.Reader
	n    int64
	tell func(int64)
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.n += int64(n)
	m.tell(m.n)
	return n, err
}

// verify verifies that the registry has what was pushed: behind a proxy, a successful push may have
// gone elsewhere.
func (p *push) verify(ctx context.Context, repository *remote.Repository, manifest ocispec.Descriptor) error {
	seen, err := repository.Resolve(ctx, p.tag)
	if err != nil {
		return fmt.Errorf("look for what was pushed: %w", err)
	}
	if seen.Digest != manifest.Digest {
		return fail(CodeOtherContent,
			fmt.Sprintf("%s:%s has another digest than what was pushed: %s", p.result.Name, p.tag, seen.Digest),
			"another client may have pushed at the same time: packhouse pack ls -n "+p.result.Name)
	}
	if there, err := repository.Blobs().Exists(ctx, p.layer); err != nil || !there {
		return errors.Join(err, fail(
			CodeOtherContent, "the archive is not there after the push", "push it again, and see the server's log",
		))
	}
	return nil
}

// maxManifest is the maximum size of a manifest in bytes.
const maxManifest = 4 << 20

// fetchArtifact fetches the manifest of a tag or digest. If it is not a pack's, the error is an
// *Invalid, and the descriptor is valid.
func fetchArtifact(ctx context.Context, repository *remote.Repository, reference string) (*Artifact, ocispec.Descriptor, error) {
	descriptor, body, err := repository.Manifests().FetchReference(ctx, reference)
	if err != nil {
		return nil, ocispec.Descriptor{}, err
	}
	defer body.Close() //nolint:errcheck // read only
	if descriptor.Size > maxManifest {
		return nil, descriptor, notAPack("its manifest has %d bytes", descriptor.Size)
	}
	text, err := content.ReadAll(body, descriptor)
	if err != nil {
		return nil, descriptor, fmt.Errorf("read manifest: %w", err)
	}
	artifact, err := ParseArtifact(text)
	return artifact, descriptor, err
}
