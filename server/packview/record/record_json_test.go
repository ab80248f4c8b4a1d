package record

import (
	"bytes"
	"encoding/json"
	"testing"

	"packhouse/packs"
)

// TestStoredRecordsAreRead: records of earlier versions are in the store. They are read, and written
// byte for byte the same.
func TestStoredRecordsAreRead(t *testing.T) {
	const archive = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, tc := range []struct{ stored, reason string }{
		{
			`{"extractor":3,"archive":"` + archive + `","refused":{"code":"archive-link","severity":"error",` +
				`"path":"a/<b>","what":"is a link","remedy":"put a copy in its place"},` +
				`"size":0,"files":null,"images":null,"problems":null,"documents":null}`,
			"a/<b>: is a link (put a copy in its place)",
		},
		{
			`{"extractor":3,"archive":"` + archive + `","root":"nginx","size":12,` +
				`"files":[{"path":"pack.json","size":12}],"images":null,"problems":[` +
				`{"code":"pack-json-required","severity":"error","path":"pack.json","line":1,"column":2,` +
				`"what":"the key \"name\" is missing","remedy":"add it"},` +
				`{"code":"pack-logo-missing","severity":"warning","what":"no logo"},` +
				`{"code":"pack-image-latest","severity":"note","path":"values.yaml","line":3,"what":"w"}],` +
				`"packJson":"{}","documents":null}`,
			`pack.json:1:2: the key "name" is missing (add it)`,
		},
	} {
		rec, err := parse(archive, []byte(tc.stored))
		if err != nil {
			t.Fatal(err)
		}
		if rec.Reason() != tc.reason {
			t.Errorf("the reason is %q, want %q", rec.Reason(), tc.reason)
		}
		var written bytes.Buffer
		encoder := json.NewEncoder(&written)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(rec); err != nil || written.String() != tc.stored+"\n" {
			t.Errorf("written as %s, %v, want %s", &written, err, tc.stored)
		}
	}
	if _, err := parse(archive, []byte(`{"problems":[{"code":1}]}`)); err == nil {
		t.Error("a finding that is not one was read")
	}
	if got, err := json.Marshal(packs.Findings{}); err != nil || string(got) != "[]" {
		t.Errorf("no findings are %s, %v", got, err)
	}
}
