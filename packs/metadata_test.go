package packs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
)

// short writes problems as "code line:column".
func short(problems []finding.Finding) []string {
	var lines []string
	for _, p := range problems {
		line := p.Code
		if p.Line > 0 {
			line += fmt.Sprintf(" %d:%d", p.Line, p.Column)
		}
		lines = append(lines, line)
	}
	return lines
}

const good = `{"name":"nginx","displayName":"Nginx","version":"1.2.3","layer":"addon"}`

func TestParseMetadata(t *testing.T) {
	with := func(more string) string { return strings.TrimSuffix(good, "}") + "," + more + "}" }
	replaced := func(part, other string) string { return strings.Replace(good, part, other, 1) }
	for _, tc := range []struct {
		name string
		text string
		want []string
	}{
		{"good", good, nil},
		{"good with everything", with(`"cloudTypes":["all"],"cloudType":"aws","addonType":"load balancer","group":"LTS","eol":"2027-01-31","annotations":{"a":"b"},"charts":[],"constraints":{}`), nil},
		{"blank group and date", with(`"group":" ","eol":" "`), nil},
		{"unknown keys", with(`"commit_msg":"x","kubeVersion":1,"readme":{"a":[null]}`), nil},
		{"null for all that is optional", with(`"cloudTypes":null,"group":null,"annotations":null,"charts":null,"constraints":null`), nil},
		{"trailing commas", "{\n  \"name\": \"nginx\",\n  \"displayName\": \"N\", \"version\": \"1.0\",\n  \"layer\": \"addon\",\n  \"charts\": [\"a\", ],\n}", []string{"pack-json-comma 5:17", "pack-json-comma 5:20"}},
		{"a comma in a text is none", with(`"annotations":{"a":"x,}","b":"\",]"}`), nil},
		{"empty", "", []string{"pack-json-syntax 1:1"}},
		{"blank", " \n", []string{"pack-json-syntax 1:1"}},
		{"a list", "[]", []string{"pack-json-type 1:1"}},
		{"a word", "nonsense", []string{"pack-json-syntax 1:2"}},
		{"cut off", `{"name": "a`, []string{"pack-json-syntax 1:12"}},
		{"missing comma", "{\n  \"name\": \"a\"\n  \"version\": \"1\"\n}", []string{"pack-json-syntax 3:3"}},
		{"comment", "{\n // no\n}", []string{"pack-json-syntax 2:2"}},
		{"single quotes", "{'name': 1}", []string{"pack-json-syntax 1:2"}},
		{"two documents", good + good, []string{fmt.Sprintf("pack-json-syntax 1:%d", len(good)+1)}},
		{"not UTF-8", "{\"name\": \"\xff\"}", []string{"pack-json-syntax 1:11"}},
		{"too deep", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), []string{"pack-json-syntax 1:1"}},
		{"byte order mark", "\xef\xbb\xbf" + good, nil},
		{"a key twice", with(`"name":"other"`), []string{"pack-json-duplicate 1:73"}},
		{"nothing in it", "{}", []string{"pack-json-required 1:1", "pack-json-required 1:1", "pack-json-required 1:1", "pack-json-required 1:1"}},
		{"empty name", replaced(`"nginx"`, `" "`), []string{"pack-json-required 1:9"}},
		{"number for a version", replaced(`"1.2.3"`, `1.2`), []string{"pack-json-type 1:49"}},
		{"list for a name", replaced(`"nginx"`, `["nginx"]`), []string{"pack-json-type 1:9"}},
		{"upper case", replaced("nginx", "Nginx"), []string{"pack-name 1:9"}},
		{"slash", replaced("nginx", "a/b"), []string{"pack-name 1:9"}},
		{"long name", replaced("nginx", strings.Repeat("a", 129)), []string{"pack-name 1:9"}},
		{"wrong layer", replaced("addon", "add-on"), []string{"pack-layer 1:65"}},
		{"leading v", replaced("1.2.3", "v1.2.3"), []string{"pack-version-v 1:49"}},
		{"plus", replaced("1.2.3", "1.2.3+4"), []string{"pack-version 1:49"}},
		{"blank in a version", replaced("1.2.3", "1.2 3"), []string{"pack-version 1:49"}},
		{"group in a version", replaced("1.2.3", "a__1"), []string{"pack-version 1:49"}},
		{"parent as a version", replaced("1.2.3", "1.x"), []string{"pack-version 1:49"}},
		{"no number", replaced("1.2.3", "latest"), []string{"pack-version 1:49"}},
		{"cloud type", with(`"cloudTypes":["all","moon"]`), []string{"pack-cloud-type 1:86"}},
		{"cloud types as a text", with(`"cloudTypes":"all"`), []string{"pack-json-type 1:86"}},
		{"group with underscores", with(`"group":"a__b"`), []string{"pack-group 1:81"}},
		{"date", with(`"eol":"31.12.2027"`), []string{"pack-eol 1:79"}},
		{"number in annotations", with(`"annotations":{"a":1}`), []string{"pack-json-type 1:92"}},
		{"secret", with(`"annotations":{"sshPassword":"x"}`), []string{"pack-secret 1:87"}},
		{"empty secret", with(`"annotations":{"sshPassword":""}`), nil},
		{"other letter case", with(`"Charts":["a"]`), []string{"pack-json-value 1:73"}},
		{"dependency without a pack", with(`"constraints":{"dependencies":[{"type":"required"}]}`), []string{"pack-constraint 1:105"}},
		{"dependency type", with(`"constraints":{"dependencies":[{"packName":"a","type":"wanted"}]}`), []string{"pack-constraint 1:127"}},
		{"bounds the wrong way round", with(`"constraints":{"dependencies":[{"packName":"a","type":"required","minVersion":"1.10","maxVersion":"1.9"}]}`), []string{"pack-constraint 1:151"}},
		{"resource", with(`"constraints":{"resources":[{"type":"disk","minLimit":"1","components":[{"scheduleType":"none"}]}]}`), []string{"pack-constraint 1:109", "pack-constraint 1:127", "pack-constraint 1:161"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, problems := ParseMetadata([]byte(tc.text))
			if got := short(problems); !slices.Equal(got, tc.want) {
				t.Errorf("problems %v, want %v", problems, tc.want)
			}
			for _, p := range problems {
				if p.File != MetadataFile || p.What == "" || p.Severity != finding.Refused && p.Severity != finding.Warning {
					t.Errorf("problem is %+v", p)
				}
			}
		})
	}
}

// TestMetadataKeepsWhatOccurs reads the pack with every oddity.
func TestMetadataKeepsWhatOccurs(t *testing.T) {
	pack, err := OpenDir("testdata/odd.pack_x-v0.30.0-5.5.2026")
	if err != nil {
		t.Fatal(err)
	}
	m := pack.Metadata
	if m.Name != "odd.pack_x" || m.DisplayName != "Odd ☃" || m.Group != "" || m.EOL != "" || !slices.Equal(m.CloudTypes, []string{"custom", "moon", "tencent"}) {
		t.Errorf("metadata is %+v", m)
	}
	if m.Folder() != "odd.pack_x-v0.30.0-5.5.2026" || m.Title() != "odd.pack_x-v0.30.0-5.5.2026.tar.gz" || m.Tag().String() != "v0.30.0-5.5.2026" {
		t.Errorf("names are %s, %s, %s", m.Folder(), m.Title(), m.Tag())
	}
	if string(m.Unknown["readme"]) != `{"nested": [1, 2.50, null, "\u00e9"]}` || len(m.Unknown) != 3 {
		t.Errorf("unknown keys are %s", m.Unknown)
	}
	if pack.Document(ReadmeFile) == nil {
		t.Error("readme.md in lower case is not found")
	}
	codes := short(pack.Lint())
	if want := []string{"pack-cloud-type 10:16", "pack-version-v 7:13", "pack-logo-type", "pack-secret 15:17"}; !slices.Equal(codes, want) {
		t.Errorf("lint says %v, want %v", codes, want)
	}
}

// TestRemedies what to write instead, where that can be known.
func TestRemedies(t *testing.T) {
	for text, want := range map[string]string{
		strings.Replace(good, "1.2.3", "v1.2.3", 1):   "write 1.2.3",
		strings.Replace(good, `"1.2.3"`, "1.20", 1):   `"1.20"`,
		strings.Replace(good, `,"layer"`, `"l"`, 1):   "comma missing",
		strings.Replace(good, `"addon"}`, `"x",}`, 1): "remove the comma",
	} {
		_, problems := ParseMetadata([]byte(text))
		if len(problems) == 0 || !strings.Contains(problems[0].Remedy+problems[len(problems)-1].Remedy, want) {
			t.Errorf("%s: remedies of %+v, want %q", text, problems, want)
		}
	}
}

// FuzzParseMetadata agrees with encoding/json on what is JSON, and always says where it does not.
func FuzzParseMetadata(f *testing.F) {
	for _, text := range []string{good, "", "[", `{"a":1,}`, "\xef\xbb\xbf{}", `{"constraints":{"dependencies":[{}]}}`, `{"name":1e9999}`, `{"\u0000":"\ud800"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, problems := ParseMetadata(text)
		var object map[string]json.RawMessage
		if err := json.Unmarshal(text, &object); err == nil && object != nil && m == nil && !strings.Contains(fmt.Sprint(problems), "nested") && !strings.Contains(fmt.Sprint(problems), "UTF-8") {
			t.Errorf("%q is an object and was not read: %v", text, problems)
		}
		if m == nil && !finding.AnyRefused(problems) {
			t.Errorf("%q was not read, and nothing was said", text)
		}
		lines := strings.Count(string(text), "\n") + 1
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("%q: problem at %d:%d", text, p.Line, p.Column)
			}
		}
	})
}
