package manifest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

const (
	hexA    = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hexB    = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	configA = `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + hexA + `","size":2}`
	layerB  = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"` + hexB + `","size":7}`
)

func TestParseReadsWhatTheManifestIs(t *testing.T) {
	tests := []struct {
		name, content          string
		mediaType, artifact    string
		layers, children, refs int
		subject                digest.Digest
	}{
		{name: "OCI image", content: `{"schemaVersion":2,"mediaType":"` + OCIManifest + `",` + configA + `,"layers":[` + layerB + `]}`, mediaType: OCIManifest, artifact: "application/vnd.oci.image.config.v1+json", layers: 1, refs: 2},
		{name: "OCI image without mediaType", content: `{"schemaVersion":2,` + configA + `,"layers":[]}`, mediaType: OCIManifest, artifact: "application/vnd.oci.image.config.v1+json", refs: 1},
		{name: "OCI index without mediaType", content: `{"schemaVersion":2,"manifests":[]}`, mediaType: OCIIndex},
		{name: "OCI index with null children", content: `{"schemaVersion":2,"mediaType":"` + OCIIndex + `","manifests":null}`, mediaType: OCIIndex},
		{name: "OCI index of one", content: `{"schemaVersion":2,"manifests":[{"mediaType":"` + OCIManifest + `","digest":"` + hexA + `","size":7}]}`, mediaType: OCIIndex, children: 1, refs: 1},
		{name: "Docker image", content: `{"schemaVersion":2,"mediaType":"` + DockerManifest + `",` + configA + `,"layers":[` + layerB + `,` + layerB + `]}`, mediaType: DockerManifest, artifact: "application/vnd.oci.image.config.v1+json", layers: 2, refs: 2},
		{name: "Docker list", content: `{"schemaVersion":2,"mediaType":"` + DockerList + `","manifests":[]}`, mediaType: DockerList},
		{name: "artifact", content: `{"schemaVersion":2,"artifactType":"text/x",` + configA + `,"subject":{"mediaType":"` + OCIManifest + `","digest":"` + hexB + `","size":0}}`, mediaType: OCIManifest, artifact: "text/x", refs: 1, subject: hexB},
		{name: "index as artifact", content: `{"schemaVersion":2,"artifactType":"text/x","manifests":[]}`, mediaType: OCIIndex, artifact: "text/x"},
		{name: "custom fields", content: `{"schemaVersion":2,"MediaType":"x","org.example":{"a":[1,{}]},` + configA + `}`, mediaType: OCIManifest, artifact: "application/vnd.oci.image.config.v1+json", refs: 1},
		{name: "null means absent", content: `{"schemaVersion":2,"manifests":null,"subject":null,"annotations":null,` + configA + `}`, mediaType: OCIManifest, artifact: "application/vnd.oci.image.config.v1+json", refs: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse([]byte(tt.content))
			if err != nil {
				t.Fatal(err)
			}
			if m.MediaType != tt.mediaType || m.ArtifactType != tt.artifact || len(m.Layers) != tt.layers || len(m.Manifests) != tt.children {
				t.Errorf("got %+v", m)
			}
			for _, d := range slices.Concat(m.Layers, m.Manifests) {
				if d.Size != 7 {
					t.Errorf("%s has size %d, want 7", d.Digest, d.Size)
				}
			}
			if got := m.References(); len(got) != tt.refs {
				t.Errorf("references %+v, want %d", got, tt.refs)
			}
			if (m.Subject == nil) != (tt.subject == "") || m.Subject != nil && m.Subject.Digest != tt.subject {
				t.Errorf("subject %+v", m.Subject)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	layer := func(fields string) string {
		return `{"schemaVersion":2,` + configA + `,"layers":[{` + fields + `}]}`
	}
	tests := []struct {
		name, content string
		kind          error
		words         string
	}{
		{"nothing", ``, ErrSyntax, "JSON"},
		{"text", `hello`, ErrSyntax, "JSON"},
		{"array", `[]`, ErrSyntax, "object"},
		{"null", `null`, ErrSyntax, "object"},
		{"cut off", `{"schemaVersion":2`, ErrSyntax, "JSON"},
		{"not UTF-8", "{\"schemaVersion\":2,\"a\":\"\xff\"}", ErrSyntax, "UTF-8"},
		{"two documents", `{"schemaVersion":2}{}`, ErrSyntax, "JSON"},
		{"repeated key", `{"schemaVersion":2,"layers":[],"layers":[],` + configA + `}`, ErrSyntax, `"layers" occurs twice`},
		{"repeated key by escape", `{"schemaVersion":2,"layers":[],"l\u0061yers":[],` + configA + `}`, ErrSyntax, "twice"},
		{"repeated key far inside", layer(`"digest":"` + hexA + `","digest":"` + hexB + `","size":1`), ErrSyntax, "twice"},
		{"too deep", `{"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, ErrTooLarge, "deep"},
		{"too large", strings.Repeat(" ", MaxSize+1), ErrTooLarge, "at most"},
		{"image and index", `{"schemaVersion":2,"manifests":[],` + configA + `}`, ErrAmbiguous, "never both"},
		{"index type on an image", `{"schemaVersion":2,"mediaType":"` + OCIIndex + `",` + configA + `}`, ErrAmbiguous, OCIIndex},
		{"image type on an index", `{"schemaVersion":2,"mediaType":"` + DockerManifest + `","manifests":[]}`, ErrAmbiguous, DockerManifest},
		{"schema 1", `{"schemaVersion":1,"name":"a","fsLayers":[]}`, ErrUnsupported, "schema 1"},
		{"schema 1 by type", `{"schemaVersion":1,"mediaType":"` + dockerSchema1Signed + `"}`, ErrUnsupported, "schema 1"},
		{"other type", `{"schemaVersion":2,"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}`, ErrUnsupported, "mediaType must be one of application/vnd.oci.image.manifest.v1+json"},
		{"no version", `{` + configA + `}`, ErrUnsupported, "schemaVersion"},
		{"says nothing", `{"schemaVersion":2}`, ErrUnsupported, "the type is unknown"},
		{"no config", `{"schemaVersion":2,"layers":[]}`, ErrDescriptor, "config"},
		{"mediaType no text", `{"schemaVersion":2,"mediaType":7}`, ErrDescriptor, "mediaType"},
		{"layers no list", `{"schemaVersion":2,"layers":{},` + configA + `}`, ErrDescriptor, "layers"},
		{"layer no object", `{"schemaVersion":2,"layers":[7],` + configA + `}`, ErrDescriptor, "layers[0]"},
		{"layer null", `{"schemaVersion":2,"layers":[null],` + configA + `}`, ErrDescriptor, "layers[0]"},
		{"no digest", layer(`"size":1`), ErrDescriptor, "digest is missing"},
		{"digest by another case", layer(`"Digest":"` + hexA + `","size":1`), ErrDescriptor, "digest is missing"},
		{"bad digest", layer(`"digest":"sha256:../../x","size":1`), ErrDescriptor, "layers[0]: invalid digest"},
		{"md5", layer(`"digest":"md5:d41d8cd98f00b204e9800998ecf8427e","size":1`), ErrDescriptor, "invalid digest"},
		{"no size", layer(`"digest":"` + hexA + `"`), ErrDescriptor, "size is missing"},
		{"negative size", layer(`"digest":"` + hexA + `","size":-1`), ErrDescriptor, "below zero"},
		{"broken size", layer(`"digest":"` + hexA + `","size":1.5`), ErrDescriptor, "layers[0].size"},
		{"huge size", layer(`"digest":"` + hexA + `","size":99999999999999999999`), ErrDescriptor, "layers[0].size"},
		{"annotations no texts", `{"schemaVersion":2,"annotations":{"a":1},` + configA + `}`, ErrDescriptor, "annotations"},
		{"bad subject", `{"schemaVersion":2,"subject":{"size":1},` + configA + `}`, ErrDescriptor, "subject"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse([]byte(tt.content))
			if _, typed := errors.AsType[*Error](err); !typed || !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("got %+v, %v; want %v with %q", m, err, tt.kind, tt.words)
			}
		})
	}
}

func TestReferences(t *testing.T) {
	d := func(mediaType string, name digest.Digest, urls ...string) Descriptor {
		return Descriptor{MediaType: mediaType, Digest: name, Size: 1, URLs: urls}
	}
	config := d("c", hexA)
	tests := []struct {
		name string
		m    Manifest
		want []Reference
	}{
		{"config and layers", Manifest{MediaType: OCIManifest, Config: &config, Layers: []Descriptor{d("l", hexB)}}, []Reference{{Blob, hexA, 1, false}, {Blob, hexB, 1, false}}},
		{"config is a layer too", Manifest{MediaType: OCIManifest, Config: &config, Layers: []Descriptor{d("l", hexA)}}, []Reference{{Blob, hexA, 1, false}}},
		{"foreign by type", Manifest{MediaType: OCIManifest, Layers: []Descriptor{d("application/vnd.oci.image.layer.nondistributable.v1.tar", hexB)}}, []Reference{{Blob, hexB, 1, true}}},
		{"foreign by Docker's type", Manifest{MediaType: DockerManifest, Layers: []Descriptor{d("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", hexB)}}, []Reference{{Blob, hexB, 1, true}}},
		{"foreign by urls", Manifest{MediaType: OCIManifest, Layers: []Descriptor{d("l", hexB, "https://a")}}, []Reference{{Blob, hexB, 1, true}}},
		{"foreign and not", Manifest{MediaType: OCIManifest, Layers: []Descriptor{d("l", hexB, "https://a"), d("l", hexB)}}, []Reference{{Blob, hexB, 1, false}}},
		{"two sizes of one digest", Manifest{MediaType: OCIManifest, Layers: []Descriptor{{Digest: hexB, Size: 1}, {Digest: hexB, Size: 2}}}, []Reference{{Blob, hexB, 1, false}, {Blob, hexB, 2, false}}},
		{"index", Manifest{MediaType: OCIIndex, Manifests: []Descriptor{d(OCIManifest, hexA), d("", hexB)}}, []Reference{{Child, hexA, 1, false}, {Child, hexB, 1, false}}},
		{"index of lists", Manifest{MediaType: DockerList, Manifests: []Descriptor{d(DockerList, hexA), d(OCIIndex, hexB)}}, []Reference{{Child, hexA, 1, false}, {Child, hexB, 1, false}}},
		{"build cache", Manifest{MediaType: OCIIndex, Manifests: []Descriptor{d("application/vnd.buildkit.cacheconfig.v0", hexA)}}, []Reference{{Blob, hexA, 1, false}}},
		{"the subject may be missing", Manifest{MediaType: OCIIndex, Subject: &config}, []Reference{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.m.References(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,` + configA + `,"layers":[` + layerB + `]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"` + hexA + `","size":0}]}`))
	f.Add([]byte(`{"a":{"a":[{"a":1}]},"\u0061":null}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := Parse(content)
		if err != nil {
			if _, typed := errors.AsType[*Error](err); !typed {
				t.Fatalf("an error of another type: %v", err)
			}
			return
		}
		if !Served(m.MediaType) || (m.Config == nil) != m.IsIndex() {
			t.Fatalf("%q became %+v", content, m)
		}
		for _, r := range m.References() {
			if r.Digest.Validate() != nil || r.Size < 0 {
				t.Fatalf("%q refers to %+v", content, r)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	small := `{"schemaVersion":2,` + configA + `,"layers":[` + strings.Repeat(layerB+",", 9) + layerB + `]}`
	for name, content := range map[string]string{
		"image of ten layers": small,
		"4 MiB of layers":     `{"schemaVersion":2,` + configA + `,"layers":[` + strings.Repeat(layerB+",", (MaxSize-500)/(len(layerB)+1)) + layerB + `]}`,
		"4 MiB of zeros":      `{"schemaVersion":2,` + configA + `,"x":[` + strings.Repeat("0,", MaxSize/2-200) + `0]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if _, err := Parse([]byte(content)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
