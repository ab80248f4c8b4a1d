package packs

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// AddTag adds a tag to a version of a pack. It returns the tag's new digest and the previous one,
// if any.
func (c *Client) AddTag(ctx context.Context, ref Reference, tag Tag) (now, before string, err error) {
	if tag.IsParent() {
		return "", "", parentTag(tag.String())
	}
	if _, err := ParseTag(tag.String()); err != nil {
		return "", "", fail(CodePackUnknown, err.Error(), "packhouse pack tag add NAME:TAG LABEL")
	}
	repository, artifact, _, err := c.find(ctx, ref)
	if err != nil {
		return "", "", c.explain(err)
	}
	old, err := repository.Resolve(ctx, tag.String())
	if err != nil && !isNotFound(err) {
		return "", "", c.explain(err)
	}
	descriptor, err := repository.Resolve(ctx, artifact.Digest)
	if err != nil {
		return "", "", c.explain(err)
	}
	if err := repository.Tag(ctx, descriptor, tag.String()); err != nil {
		return "", "", c.explain(err)
	}
	return artifact.Digest, old.Digest.String(), nil
}

func parentTag(tag string) error {
	return fail(CodeParentTag, fmt.Sprintf("%s is a parent tag: it always points to the highest version below it", tag),
		"push a version, or delete the versions below it")
}

// DeleteTag deletes a tag of a pack. The version stays readable by digest as long as the registry
// keeps it.
func (c *Client) DeleteTag(ctx context.Context, ref Reference) error {
	if tag, err := ParseTag(ref.Tag); err != nil || ref.Digest != "" {
		return fail(CodePackUnknown, fmt.Sprintf("%s names no tag", quote(ref.String())), "write NAME:TAG")
	} else if tag.IsParent() {
		return parentTag(ref.Tag)
	}
	repository, err := c.repository(ref.Name)
	if err != nil {
		return err
	}
	if _, err := repository.Resolve(ctx, ref.Tag); err != nil {
		return c.explain(notThere(err, ref.String(), nil))
	}
	return c.explain(c.sendDelete(ctx, repository, ref.Tag))
}

// sendDelete deletes by tag (distribution-spec 1.1, "Deleting tags"), unlike oras-go, which would
// delete the manifest with all its tags.
func (c *Client) sendDelete(ctx context.Context, repository *remote.Repository, tag string) error {
	ctx = auth.AppendRepositoryScope(ctx, repository.Reference, auth.ActionDelete)
	scheme := "https"
	if c.plain {
		scheme = "http"
	}
	target := fmt.Sprintf("%s://%s/v2/%s/manifests/%s", scheme, repository.Reference.Host(), repository.Reference.Repository, tag)
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, target, http.NoBody)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	response, err := c.auth.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	switch response.StatusCode {
	case http.StatusAccepted, http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusMethodNotAllowed, http.StatusBadRequest:
		return fail(CodeNoTagDelete, fmt.Sprintf("%s does not delete tags (%d)", c.server, response.StatusCode),
			"on packhouse: storage.delete.enabled: true; others may delete by digest only, with all tags of it")
	}
	return &errcode.ErrorResponse{Method: http.MethodDelete, URL: request.URL, StatusCode: response.StatusCode, Errors: parseErrors(text)}
}
