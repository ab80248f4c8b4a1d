package manifest

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestParsePushed(t *testing.T) {
	const platform = `"platform":{"architecture":"amd64","os":"linux","os.features":["a"],"x":{"OS":1,"os":2}}`
	child := `{"mediaType":"` + OCIManifest + `","digest":"` + hexB + `","size":7,` + platform + `}`
	for _, tc := range []struct {
		name, content string
		words         string // of the refusal; empty: none
	}{
		{"an image", `{"schemaVersion":2,` + configA + `,"layers":[` + layerB + `]}`, ""},
		{"an index", `{"schemaVersion":2,"manifests":[` + child + `]}`, ""},
		{"annotations in several cases", `{"schemaVersion":2,` + configA + `,"annotations":{"Layers":"x","layers":"y"}}`, ""},
		{"custom fields", `{"schemaVersion":2,` + configA + `,"org.example":{"Layers":1,"layers":2},"vendor":1}`, ""},
		{"Layers beside layers", `{"schemaVersion":2,` + configA + `,"layers":[],"Layers":[` + layerB + `]}`, `"Layers" is read as layers`},
		{"Layers alone", `{"schemaVersion":2,` + configA + `,"Layers":[` + layerB + `]}`, `"Layers" is read as layers`},
		{"Manifests in an image", `{"schemaVersion":2,` + configA + `,"MANIFESTS":[` + child + `]}`, "read as manifests"},
		{"Config in an index", `{"schemaVersion":2,"manifests":[],"Config":{}}`, "read as config"},
		{"mediatype", `{"schemaVersion":2,` + configA + `,"mediatype":"` + OCIIndex + `"}`, "read as mediaType"},
		{"by escape", `{"schemaVersion":2,` + configA + `,"\u004cayers":[]}`, "read as layers"},
		{"long s", `{"schemaVersion":2,` + configA + `,"layerſ":[]}`, "read as layers"},
		{"in the config", `{"schemaVersion":2,"config":{"Digest":"` + hexB + `","digest":"` + hexA + `","size":2}}`, "read as config.digest"},
		{"in a layer", `{"schemaVersion":2,` + configA + `,"layers":[` + layerB + `,{"digest":"` + hexB + `","size":7,"Size":8}]}`, "read as layers.size"},
		{"in the subject", `{"schemaVersion":2,` + configA + `,"subject":{"digest":"` + hexB + `","size":7,"DIGEST":""}}`, "read as subject.digest"},
		{"in a child", `{"schemaVersion":2,"manifests":[{"digest":"` + hexB + `","size":7,"URLs":[]}]}`, "read as manifests.urls"},
		{"in a platform", `{"schemaVersion":2,"manifests":[` + strings.Replace(child, `"os":`, `"OS":"x","os":`, 1) + `]}`, "read as manifests.platform.os"},
		{"unknown keys", `{"schemaVersion":2,` + configA + `,"vendor":1,"other":2,"Vendor":3}`, `"vendor" differ in case only`},
		{"unknown keys of a layer", `{"schemaVersion":2,` + configA + `,"layers":[{"digest":"` + hexB + `","size":7,"k":1,"\u212a":2}]}`, "differ in case only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParsePushed([]byte(tc.content))
			if tc.words == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrAmbiguous) || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("%v, want %q", err, tc.words)
			}
			if _, err := Parse([]byte(tc.content)); err != nil {
				t.Errorf("a stored one is not readable any more: %v", err)
			}
		})
	}
}

// TestEmbeddedContent pushes descriptors with data: it must be the content that digest and size name.
func TestEmbeddedContent(t *testing.T) {
	const empty = `"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2`
	for _, tc := range []struct{ name, descriptor, words string }{
		{"the content", empty + `,"data":"e30="`, ""},
		{"null", empty + `,"data":null`, ""},
		{"with escapes", empty + `,"data":"\u0065\u00330="`, ""},
		{"other content", empty + `,"data":"W10="`, "digest"},
		{"too short", empty + `,"data":""`, "0 bytes"},
		{"too long", empty + `,"data":"e30K"`, "3 bytes"},
		{"no base64", empty + `,"data":"{}"`, "base64"},
		{"without padding", empty + `,"data":"e30"`, "base64"},
		{"bits behind the end", empty + `,"data":"e31="`, "base64"},
		{"a line break", empty + `,"data":"e30=\n"`, "base64"},
		{"the URL alphabet", `"digest":"` + hexA + `","size":3,"data":"____"`, "base64"},
		{"no string", empty + `,"data":["e30="]`, "base64"},
		{"an object", empty + `,"data":{}`, "base64"},
	} {
		for where, content := range map[string]string{
			"config":    `{"schemaVersion":2,"config":{%s}}`,
			"layers":    `{"schemaVersion":2,` + configA + `,"layers":[` + layerB + `,{%s}]}`,
			"manifests": `{"schemaVersion":2,"manifests":[{%s}]}`,
			"subject":   `{"schemaVersion":2,` + configA + `,"subject":{%s}}`,
		} {
			_, err := ParsePushed([]byte(strings.Replace(content, "%s", tc.descriptor, 1)))
			if tc.words == "" && err != nil || tc.words != "" && (!errors.Is(err, ErrDescriptor) || !strings.Contains(err.Error(), tc.words)) {
				t.Errorf("%s in %s: %v, want %q", tc.name, where, err, tc.words)
			}
		}
	}
}

// FuzzFold holds fold against the comparison that encoding/json makes.
func FuzzFold(f *testing.F) {
	f.Add("layers", "Layers")
	f.Add("layerſ", "LAYERS")
	f.Add("k", "\u212a")
	f.Add("ß", "ẞ")
	f.Fuzz(func(t *testing.T, a, b string) {
		if got, want := bytes.Equal(fold([]byte(a)), fold([]byte(b))), bytes.EqualFold([]byte(a), []byte(b)); got != want {
			t.Errorf("%q and %q: %v, want %v", a, b, got, want)
		}
	})
}
