package packview

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"

	"packhouse/finding"
	"packhouse/packs"
	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

// Error codes in addition to those of package problem.
const (
	notAPack      = "NOT_A_PACK"
	packInvalid   = "PACK_INVALID"
	versionExists = "VERSION_EXISTS"
	parentTag     = "PARENT_TAG"
)

// pushed is the response to a push.
type pushed struct {
	Name       string         `json:"name"`
	Version    string         `json:"version"`
	Tag        string         `json:"tag"`
	Digest     digest.Digest  `json:"digest"`  // of the manifest: what Palette remembers
	Archive    digest.Digest  `json:"archive"` // of the archive
	Size       int64          `json:"size"`    // of the archive, in bytes
	Replaced   digest.Digest  `json:"replaced,omitempty"`
	ParentTags []string       `json:"parentTags"`
	Problems   packs.Findings `json:"problems"` // warnings of lint
}

// pushArchive receives and validates an archive, and stores it as the artifact that an OCI client
// would push.
func (v *View) pushArchive(w http.ResponseWriter, r *http.Request, grant auth.Grant) error {
	ctx, req := r.Context(), grant.Request
	owner := storage.Owner{Repository: req.Repository, User: grant.Identity.User}
	up, err := v.o.Store.StartUpload(ctx, owner, digest.SHA256)
	if err != nil {
		return err
	}
	finished := false
	defer func() {
		if !finished { // it would count against the user until it expires
			_ = v.o.Store.CancelUpload(context.WithoutCancel(ctx), owner, up.ID)
		}
	}()
	limits, release := v.o.Records.Admit(v.o.Limits)
	defer release()
	got, err := v.receive(ctx, owner, up, r, limits)
	if err != nil {
		return err
	}
	if got.contents.Weight > packs.HeavyFrom {
		end, err := v.o.Records.Heavy(ctx)
		if err != nil {
			return err
		}
		defer end()
	}
	if got.problems, err = checkPush(req, got.contents); err != nil {
		return err
	}
	tag, err := pushTag(req, got.contents.Metadata)
	if err != nil {
		return err
	}
	answer := pushed{
		Name: req.Pack, Version: req.Version, Tag: tag.String(), Archive: got.digest, Size: got.size, ParentTags: []string{},
		Problems: append(packs.Findings{}, got.problems...),
	}
	if same := v.standsFor(ctx, req.Repository, tag, got.digest); same != "" {
		answer.Digest = same
		return v.answerPush(w, r, req, http.StatusOK, answer)
	}
	if err := v.o.Store.FinishUpload(ctx, owner, up.ID, got.size, nil, 0, got.digest); err != nil {
		return err
	}
	finished = true
	put, err := artifact(req, got, tag)
	if err != nil {
		return err
	}
	config := put.Manifest.Config
	if err := v.o.Store.PutBlob(ctx, owner, config.Digest, bytes.NewReader(packs.EmptyConfig()), config.Size); err != nil {
		return err
	}
	put.MayOverwrite = func(tag reference.Tag, old digest.Digest) error {
		answer.Replaced = old
		return v.mayOverwrite(grant, tag)
	}
	if err := v.o.Store.PutManifest(ctx, put); err != nil {
		return err
	}
	v.pushes.of(req.Repository).Add(1)
	v.o.Records.NoteLogo(ctx, req.Repository, v.o.Records.Keep(ctx, got.digest, got.contents).Summary(), put.Digest, true)
	answer.Digest = put.Digest
	w.Header().Set("Location", v.location(r, req, "manifests", put.Digest.String()))
	err = v.answerPush(w, r, req, http.StatusCreated, answer)
	v.o.OnEvent(Event{
		Verb: Push, Grant: grant, Request: r, Digest: put.Digest, MediaType: put.Manifest.MediaType, Manifest: put.Manifest,
		Size: int64(len(put.Content)), Tags: put.Tags,
	})
	return err
}

// answerPush responds to a push with its result and the parent tags that resolve to it now.
func (v *View) answerPush(w http.ResponseWriter, r *http.Request, req route.Request, status int, a pushed) error {
	if tags, err := v.Tags(r.Context(), req.Repository); err == nil {
		a.ParentTags = append(a.ParentTags, packs.ParentsOf(tags, []string{a.Tag})[a.Tag]...)
	}
	w.Header().Set("Docker-Content-Digest", a.Digest.String())
	return write(w, r, status, a)
}

// received is an archive that was received.
type received struct {
	digest   digest.Digest
	size     int64
	contents *packs.Contents
	problems []finding.Finding
}

// errRead is the error for writes after the reader has ended.
var errRead = errors.New("nothing more is read")

// receive reads an archive once and passes it to the store, the hash and packs.ReadArchive at the
// same time.
func (v *View) receive(ctx context.Context, owner storage.Owner, up storage.Upload, r *http.Request, limits packs.Limits) (received, error) {
	var got received
	hash, body := digest.SHA256.Digester(), &source{r: r.Body}
	reader, writer := io.Pipe()
	parsed := make(chan error, 1)
	go func() {
		var err error
		got.contents, err = packs.ReadArchive(ctx, reader, limits, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, reader)
		}
		_ = reader.CloseWithError(cmp.Or(err, errRead)) // makes the store stop as well
		parsed <- err
	}()
	up, err := v.o.Store.AppendUpload(ctx, owner, up.ID, 0, io.TeeReader(body, io.MultiWriter(hash.Hash(), writer)), r.ContentLength)
	_ = writer.CloseWithError(err) // nil ends it with io.EOF
	refused := <-parsed
	var p *packs.Invalid
	switch {
	case body.err != nil:
		if p, ok := errors.AsType[*problem.Error](body.err); ok {
			return got, p
		}
		return got, problem.New(http.StatusBadRequest, problem.BlobUploadInvalid, "the body ended early: push the archive again").Because(body.err)
	case errors.As(refused, &p):
		return got, invalid([]finding.Finding{p.Finding})
	case err != nil:
		return got, err
	case refused != nil:
		return got, refused
	}
	got.digest, got.size = hash.Digest(), up.Offset
	return got, nil
}

// source records a failure to read the request body.
type source struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// checkPush returns the warnings of lint. It returns an error if the archive is not a valid pack,
// or not the one in the path.
func checkPush(req route.Request, contents *packs.Contents) ([]finding.Finding, error) {
	problems := contents.Lint()
	if m := contents.Metadata; m != nil {
		if m.Name != "" && m.Name != req.Pack {
			problems = append(problems, packs.About(finding.Refused, packs.CodeName, packs.MetadataFile,
				fmt.Sprintf("the name is %q, but the pack is pushed as %q", packs.Printable(m.Name), req.Pack),
				"push it to the path with its name"))
		}
		if m.Version != "" && m.Version != req.Version {
			problems = append(problems, packs.About(finding.Refused, packs.CodeVersion, packs.MetadataFile,
				fmt.Sprintf("the version is %q, but the pack is pushed as %q", packs.Printable(m.Version), req.Version),
				"push it to the path with its version"))
		}
	}
	if finding.AnyRefused(problems) {
		return nil, invalid(problems)
	}
	return problems, nil
}

// invalid returns the refusal of an archive, with all its problems.
func invalid(problems []finding.Finding) *problem.Error {
	first := problems[0]
	for _, p := range problems {
		if p.Severity == finding.Refused {
			first = p
			break
		}
	}
	return problem.New(http.StatusUnprocessableEntity, packInvalid, "%s", "the archive is not a pack that can be installed: "+packs.Line(first)).
		About(map[string]any{"problems": packs.Findings(problems)})
}

// pushTag returns the tag of a pushed pack: with the group in the request, otherwise with the group
// in pack.json.
func pushTag(req route.Request, m *packs.Metadata) (reference.Tag, error) {
	if req.Group != "" || m.Group == "" {
		return req.Tag, nil
	}
	tag, err := reference.ParseTag(m.Tag().String())
	if err != nil {
		return tag, invalid([]finding.Finding{packs.About(finding.Refused, packs.CodeGroup, packs.MetadataFile,
			fmt.Sprintf("group %q and the version are not a valid tag", packs.Printable(m.Group)),
			"use letters, digits, . _ and -, up to 128 with the version")})
	}
	return tag, nil
}

// standsFor returns the digest of the manifest that a tag points to, if it already has that
// archive, or "".
func (v *View) standsFor(ctx context.Context, repo reference.Repository, tag reference.Tag, archive digest.Digest) digest.Digest {
	d, err := v.o.Store.ResolveTag(ctx, repo, tag)
	if err != nil {
		return ""
	}
	stored, err := v.o.Store.GetManifest(ctx, repo, d, true)
	if err != nil {
		return ""
	}
	artifact, err := packs.ParseArtifact(stored.Content)
	if err != nil || artifact.Archive != archive {
		return ""
	}
	if _, err := v.o.Store.StatBlob(ctx, repo, archive, true); err != nil {
		return "" // the archive is lost, and pushing it again restores it
	}
	return d
}

// artifact returns the manifest of a pack, as ORAS 1.0 writes it and Palette reads it.
func artifact(req route.Request, got received, tag reference.Tag) (storage.Put, error) {
	content, _, err := packs.NewManifest(packs.Spec{
		Archive: got.digest, Size: got.size, Title: got.contents.Metadata.Title(), Message: req.Message,
	})
	if err != nil {
		return storage.Put{}, err
	}
	parsed, err := manifest.Parse(content)
	if err != nil {
		return storage.Put{}, err
	}
	return storage.Put{
		Repository: req.Repository, Digest: digest.FromBytes(content), Content: content, Manifest: parsed, Tags: []reference.Tag{tag},
	}, nil
}

// mayOverwrite returns an error if the user must not overwrite a version. The old one stays
// readable by its digest, but Palette remembers digests, so overwriting must be intended.
func (v *View) mayOverwrite(grant auth.Grant, tag reference.Tag) error {
	req := grant.Request
	switch {
	case v.o.Overwrite == Deny:
		return problem.Forbidden("version %s of pack %s already exists and packs.overwrite denies overwriting it: push another version", tag, req.Pack)
	case grant.Role < auth.Admin:
		return problem.Forbidden("version %s of pack %s already exists: push another version, or ask an admin to overwrite it", tag, req.Pack)
	case v.o.Overwrite != Allow && !req.Force:
		return problem.New(http.StatusConflict, versionExists,
			"version %s of pack %s already exists with other content: push another version, or overwrite it with ?force=true&message=WHY", tag, req.Pack)
	}
	return nil
}
