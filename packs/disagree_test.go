package packs

import (
	"encoding/json"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestDisagreement(t *testing.T) {
	for name, tc := range map[string]struct {
		title, tag string
		inside     *Identity
		newFormat  bool
		want       string
	}{
		"agree":             {"web-1.2.3.tar.gz", "1.2.3", &Identity{"web", "1.2.3"}, false, ""},
		"unknown contents":  {"web-1.2.3.tar.gz", "1.2.3", nil, false, ""},
		"group":             {"web-1.2.3.tar.gz", "LTS__1.2.3", &Identity{"web", "1.2.3"}, false, ""},
		"label":             {"web-1.2.3.tar.gz", "stable", &Identity{"web", "1.2.3"}, false, ""},
		"digest":            {"web-1.2.3.tar.gz", "", &Identity{"web", "1.2.3"}, false, ""},
		"title and tag":     {"web-1.2.tar.gz", "1.2.3", nil, false, "its repository and tag make it web-1.2.3.tar.gz"},
		"other name":        {"web-1.2.3.tar.gz", "1.2.3", &Identity{"db", "1.2.3"}, false, "its pack.json calls it db"},
		"other title":       {"x.tar.gz", "1.2.3", &Identity{"web", "1.2.3"}, false, "its layer is titled x.tar.gz"},
		"other version":     {"web-1.2.2.tar.gz", "1.2.3", &Identity{"web", "1.2.2"}, false, "and its tag is 1.2.3"},
		"format of ORAS1.1": {"web-1.2.3.tar.gz", "1.2.3", nil, true, "--image-spec v1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			text, _, err := NewManifest(Spec{Archive: describe("", nil).Digest, Title: tc.title})
			if err != nil {
				t.Fatal(err)
			}
			if tc.newFormat {
				var m ocispec.Manifest
				if err := json.Unmarshal(text, &m); err != nil {
					t.Fatal(err)
				}
				m.ArtifactType, m.Config = "application/vnd.unknown.artifact.v1", ocispec.DescriptorEmptyJSON
				if text, err = json.Marshal(m); err != nil {
					t.Fatal(err)
				}
			}
			artifact, err := ParseArtifact(text)
			if err != nil {
				t.Fatal(err)
			}
			got := artifact.Disagreement("web", tc.tag, tc.inside)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
