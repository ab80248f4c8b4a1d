package packs

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
)

// Reference identifies a pack in a registry: NAME, NAME:TAG or NAME@DIGEST.
type Reference struct {
	Name   string
	Tag    string // a tag or a parent tag; empty with a digest, or for the highest version
	Digest string
}

// ParseReference parses a reference.
func ParseReference(text string) (Reference, error) {
	name, sum, hasDigest := strings.Cut(text, "@")
	name, tag, hasTag := strings.Cut(name, ":")
	bad := func(why string) (Reference, error) {
		return Reference{}, fail(CodePackUnknown, fmt.Sprintf("%s is not a pack: %s", quote(text), why),
			"write NAME, NAME:TAG or NAME@sha256:…; -r names the server and --base the path")
	}
	switch {
	case strings.Contains(name, "/") || strings.Contains(tag, "/"):
		return bad("it contains a path")
	case !packName().MatchString(name) || len(name) > maxName:
		return bad("names are lower-case letters and digits, joined by . _ or -")
	case hasTag && hasDigest:
		return bad("it has a tag and a digest")
	case hasDigest && digest.Digest(sum).Validate() != nil:
		return bad("its digest is not sha256: and 64 hexadecimal digits")
	}
	if hasTag {
		if _, err := ParseTag(tag); err != nil {
			return bad(err.Error())
		}
	}
	return Reference{name, tag, sum}, nil
}

// String returns the reference in the form that ParseReference parses.
func (r Reference) String() string {
	switch {
	case r.Digest != "":
		return r.Name + "@" + r.Digest
	case r.Tag != "":
		return r.Name + ":" + r.Tag
	}
	return r.Name
}

// Pulled describes a pulled pack.
type Pulled struct {
	Contents *Contents
	Artifact *Artifact
	Tag      string // the tag that was resolved; empty with a digest
	Dir      string // the pack's folder; empty if not unpacked
}

// Pull writes a pack into a new folder of dir named <name>-<version>. The folder must not exist; it
// is created atomically. progress may be nil.
func (c *Client) Pull(ctx context.Context, ref Reference, dir string, progress func(done, total int64)) (*Pulled, error) {
	staging, err := stage(dir)
	if err != nil {
		return nil, err
	}
	defer staging.close()
	archive, err := staging.hidden.OpenFile("archive", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create file: %w", err)
	}
	defer archive.Close() //nolint:errcheck // removed with the folder
	pulled, err := c.download(ctx, ref, archive, progress)
	if err != nil {
		return nil, c.explain(err)
	}
	if pulled.Contents, err = extract(ctx, archive, staging.pack, Limits{}); err != nil {
		return nil, err
	}
	folder, err := folderOf(pulled)
	if err != nil {
		return nil, err
	}
	if pulled.Dir, err = staging.publish(folder); err != nil {
		return nil, err
	}
	return pulled, nil
}

// folderOf returns the name of a pulled pack's folder, from its metadata or else its archive's
// title.
func folderOf(p *Pulled) (string, error) {
	if m := p.Contents.Metadata; m != nil && packName().MatchString(m.Name) && tagLabel().MatchString(m.Version) {
		return m.Folder(), nil
	}
	folder := strings.TrimSuffix(p.Artifact.Title, ".tar.gz")
	if folder == "" || checkName(folder, Limits{}.withDefaults()) != "" || strings.HasPrefix(folder, ".") || strings.ContainsAny(folder, "/:") {
		return "", notAPack("neither pack.json nor the title %s names a folder", quote(p.Artifact.Title))
	}
	return folder, nil
}

// Inspect reads a pack in the registry without unpacking it.
func (c *Client) Inspect(ctx context.Context, ref Reference) (*Pulled, error) {
	repository, artifact, tag, err := c.find(ctx, ref)
	if err != nil {
		return nil, c.explain(err)
	}
	body, err := repository.Blobs().Fetch(ctx, layerOf(artifact))
	if err != nil {
		return nil, c.explain(err)
	}
	defer body.Close() //nolint:errcheck // read only
	verified := content.NewVerifyReader(body, layerOf(artifact))
	contents, err := ReadArchive(ctx, verified, Limits{}, nil)
	if err != nil {
		return nil, c.explain(err)
	}
	if _, err := io.Copy(io.Discard, verified); err != nil {
		return nil, c.explain(err)
	}
	if err := verified.Verify(); err != nil {
		return nil, otherContent(err)
	}
	return &Pulled{Contents: contents, Artifact: artifact, Tag: tag}, nil
}

func layerOf(a *Artifact) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: ArchiveMediaType, Digest: a.Archive, Size: a.Size}
}

func otherContent(err error) *Failure {
	return fail(CodeOtherContent, "the content does not match its digest",
		"try again; on the server, packhouse store scrub finds damaged content").because(err)
}

// find resolves a reference and fetches its manifest.
func (c *Client) find(ctx context.Context, ref Reference) (*remote.Repository, *Artifact, string, error) {
	repository, err := c.repository(ref.Name)
	if err != nil {
		return nil, nil, "", err
	}
	if ref.Digest != "" {
		artifact, _, err := fetchArtifact(ctx, repository, ref.Digest)
		return repository, artifact, "", notThere(err, ref.String(), nil)
	}
	if ref.Tag != "" {
		artifact, _, err := fetchArtifact(ctx, repository, ref.Tag)
		if !isNotFound(err) {
			return repository, artifact, ref.Tag, err
		}
	}
	tags, err := c.listTags(ctx, repository)
	if err != nil {
		return nil, nil, "", notThere(err, ref.Name, nil)
	}
	tag, ok := Highest(tags)
	if ref.Tag != "" {
		tag, ok = ResolveTag(tags, ref.Tag)
	}
	if !ok {
		return nil, nil, "", notThere(errdef.ErrNotFound, ref.String(), tags)
	}
	artifact, _, err := fetchArtifact(ctx, repository, tag)
	return repository, artifact, tag, err
}

// notThere returns an error that names what is missing, and what exists instead.
func notThere(err error, what string, tags []string) error {
	if !isNotFound(err) {
		return err
	}
	remedy := "packhouse pack ls lists the packs; --base sets another path"
	if len(tags) > 0 {
		const most = 8
		shown := tags[max(0, len(tags)-most):]
		remedy = "the registry has " + strings.Join(shown, ", ")
	}
	return fail(CodePackUnknown, "the registry has no pack "+what, remedy).because(err)
}

// download writes a pack's archive to a file, verifies it, and seeks to its start.
func (c *Client) download(
	ctx context.Context, ref Reference, file *os.File, progress func(done, total int64),
) (*Pulled, error) {
	repository, artifact, tag, err := c.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	body, err := repository.Blobs().Fetch(ctx, layerOf(artifact))
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // read only
	verified := content.NewVerifyReader(&meter{r: body, tell: func(n int64) {
		if progress != nil {
			progress(n, artifact.Size)
		}
	}}, layerOf(artifact))
	if _, err := io.Copy(file, verified); err != nil {
		return nil, err
	}
	if err := verified.Verify(); err != nil {
		return nil, otherContent(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	return &Pulled{Artifact: artifact, Tag: tag}, nil
}
