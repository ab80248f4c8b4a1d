package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// pushed is what became of a push: what was acknowledged by a 2xx before it
// went wrong, if it did.
type pushed struct {
	repository string
	tag        string
	blobs      map[string]bool // digests acknowledged
	manifest   string          // digest, once acknowledged
	err        error
}

// refusedError is an answer that is not the 2xx it should be; other errors of
// a push are broken connections.
type refusedError struct {
	step string
	answer
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("%s: %d %s", e.step, e.status, e.body)
}

// pushArtifact pushes one layer, an empty config and the manifest that holds
// them under a tag, with requests of our own: a client library would retry,
// and so hide what was promised.
func pushArtifact(in *installation, client *http.Client, user, repository, tag string, layer []byte) pushed {
	result := pushed{repository: repository, tag: tag, blobs: map[string]bool{}}
	config := []byte("{}")
	for _, blob := range [][]byte{layer, config} {
		digest, err := pushBlob(in, client, user, repository, blob)
		if err != nil {
			result.err = err
			return result
		}
		result.blobs[digest] = true
	}
	put := putManifest(in, client, user, repository, tag, config, layer)
	result.manifest, result.err = put.manifest, put.err
	return result
}

// manifestOf is the manifest that holds a config and one layer.
func manifestOf(config, layer []byte) ([]byte, error) {
	return json.Marshal(manifestDocument{
		SchemaVersion: 2, MediaType: ociManifest, ArtifactType: "application/vnd.example.load",
		Config: &descriptor{MediaType: ociEmpty, Digest: digestOf(config), Size: len(config)},
		Layers: []descriptor{{MediaType: "application/octet-stream", Digest: digestOf(layer), Size: len(layer)}},
	})
}

// putManifest pushes the manifest that holds a config and one layer.
func putManifest(in *installation, client *http.Client, user, repository, tag string, config, layer []byte) pushed {
	result := pushed{repository: repository, tag: tag, blobs: map[string]bool{}}
	manifest, err := manifestOf(config, layer)
	if err != nil {
		result.err = err
		return result
	}
	got, err := in.request(client, user, "PUT", "/v2/"+repository+"/manifests/"+tag, manifest, "Content-Type", ociManifest)
	switch {
	case err != nil:
		result.err = err
	case got.status != http.StatusCreated:
		result.err = &refusedError{"put manifest", got}
	default:
		result.manifest = digestOf(manifest)
		// What a manifest refers to is promised with it.
		result.blobs[digestOf(config)], result.blobs[digestOf(layer)] = true, true
	}
	return result
}

// pushBlob pushes a blob in the way most clients do: POST, then one PUT.
func pushBlob(in *installation, client *http.Client, user, repository string, content []byte) (string, error) {
	digest := digestOf(content)
	started, err := in.request(client, user, "POST", "/v2/"+repository+"/blobs/uploads/", []byte{})
	if err != nil {
		return "", err
	}
	if started.status != http.StatusAccepted {
		return "", &refusedError{"start upload", started}
	}
	got, err := in.request(client, user, "PUT", finishLocation(started, digest), content, "Content-Type", "application/octet-stream")
	if err != nil {
		return "", err
	}
	if got.status != http.StatusCreated {
		return "", &refusedError{"put blob", got}
	}
	return digest, nil
}

// pushBlobInPieces pushes a blob by PATCH requests and a closing PUT.
func pushBlobInPieces(in *installation, client *http.Client, user, repository string, content []byte, pieces int) (string, error) {
	digest := digestOf(content)
	last, err := in.request(client, user, "POST", "/v2/"+repository+"/blobs/uploads/", []byte{})
	if err != nil {
		return "", err
	}
	if last.status != http.StatusAccepted {
		return "", &refusedError{"start upload", last}
	}
	for i := range pieces {
		from, to := len(content)*i/pieces, len(content)*(i+1)/pieces
		last, err = in.request(client, user, "PATCH", last.header.Get("Location"), content[from:to],
			"Content-Type", "application/octet-stream", "Content-Range", fmt.Sprintf("%d-%d", from, to-1))
		if err != nil {
			return "", err
		}
		if last.status != http.StatusAccepted {
			return "", &refusedError{"append", last}
		}
	}
	got, err := in.request(client, user, "PUT", finishLocation(last, digest), []byte{})
	if err != nil {
		return "", err
	}
	if got.status != http.StatusCreated {
		return "", &refusedError{"finish upload", got}
	}
	return digest, nil
}

// finishLocation is where the closing PUT of an upload goes.
func finishLocation(last answer, digest string) string {
	location := last.header.Get("Location")
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	return location + separator + "digest=" + url.QueryEscape(digest)
}

// readBack demands that everything which was acknowledged is there, whole, and
// that the tag leads to it. It returns what is wrong.
func (p pushed) readBack(in *installation, client *http.Client, user string) error {
	for digest := range p.blobs {
		if err := readBlob(in, client, user, p.repository, digest); err != nil {
			return err
		}
	}
	if p.manifest == "" {
		return nil
	}
	for _, reference := range []string{p.manifest, p.tag} {
		got, err := in.request(client, user, "GET", "/v2/"+p.repository+"/manifests/"+reference, nil, "Accept", ociManifest)
		if err != nil {
			return err
		}
		if got.status != http.StatusOK {
			return fmt.Errorf("manifest %s:%s was acknowledged and is gone: %d", p.repository, reference, got.status)
		}
		if digestOf(got.body) != p.manifest {
			return fmt.Errorf("manifest %s:%s is another one: %s, acknowledged %s", p.repository, reference, digestOf(got.body), p.manifest)
		}
	}
	return nil
}

// readBlob demands that an acknowledged blob is there, whole.
func readBlob(in *installation, client *http.Client, user, repository, digest string) error {
	got, err := in.request(client, user, "GET", "/v2/"+repository+"/blobs/"+digest, nil)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return fmt.Errorf("blob %s@%s was acknowledged and is gone: %d", repository, digest, got.status)
	}
	if digestOf(got.body) != digest {
		return fmt.Errorf("blob %s@%s has wrong bytes", repository, digest)
	}
	return nil
}
