package packs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"strings"
	"testing"
	"testing/fstest"

	"packhouse/finding"
)

// TestMetadataBounds: what a pack.json may hold is counted before it is built, and findings are bounded in number and length.
func TestMetadataBounds(t *testing.T) {
	with := func(more string) string { return strings.TrimSuffix(good, "}") + "," + more + "}" }
	list := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	for name, tc := range map[string]struct{ text, code string }{
		"990,000 entries":  {with(`"more": ` + list(990_000, `"a"`)), CodeJSONSize},
		"too many values":  {with(`"more": ` + list(maxNodes, `1`)), CodeJSONSize},
		"too large":        {with(`"more": "` + strings.Repeat("a", maxMetadata) + `"`), CodeJSONSize},
		"long list":        {with(`"charts": ` + list(maxItems+1, `"a"`)), CodeJSONSize},
		"many annotations": {with(`"annotations": {` + numberedMembers(maxItems+1) + `}`), CodeJSONSize},
		"dependencies":     {with(`"constraints": {"dependencies": ` + list(maxItems+1, `{}`) + `}`), CodeJSONSize},
		"long text":        {with(`"addonType": "` + strings.Repeat("a", maxTextValue+1) + `"`), CodeJSONValue},
		"long number":      {with(`"addonType": ` + strings.Repeat("1", 100_000)), CodeJSONType},
		"many findings":    {with(`"charts": ` + list(maxItems, `1`)), CodeMoreFindings},
	} {
		_, problems := ParseMetadata([]byte(tc.text))
		found := false
		for _, p := range problems {
			found = found || p.Code == tc.code && p.Severity == finding.Refused
			if len(p.What)+len(p.Remedy)+len(p.File) > 3*(maxSentence+4) {
				t.Errorf("%s: a finding of %d bytes", name, len(p.What)+len(p.Remedy)+len(p.File))
			}
		}
		if !found || len(problems) > 2*(maxFindings+1) {
			t.Errorf("%s: %d findings, %s among them: %v", name, len(problems), tc.code, found)
		}
	}
	if _, problems := ParseMetadata([]byte(with(`"charts": ` + list(maxItems, `"a"`)))); len(problems) > 0 {
		t.Errorf("a long list: %v", problems)
	}
}

func numberedMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d": "",`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// TestLintBounds: of each severity lint lists some findings and says that there are more.
func TestLintBounds(t *testing.T) {
	fsys := fstest.MapFS{
		"pack.json":   {Data: []byte(strings.TrimSuffix(good, "}") + `,"charts": ["` + strings.Repeat(`x","`, maxItems-1) + `x"]}`)},
		"values.yaml": {Data: []byte("pack:\n" + strings.Repeat("  namespace: A_B\n", 10_000))},
	}
	pack, err := Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	problems := pack.Lint()
	if len(problems) > 2*(maxFindings+1) || problems[len(problems)-1].Code != CodeMoreFindings || !finding.AnyRefused(problems) {
		t.Errorf("%d findings, the last is %+v", len(problems), problems[len(problems)-1])
	}
}

// TestParsedYAMLIsCounted: a file whose values would take a hundred times its size is not parsed.
func TestParsedYAMLIsCounted(t *testing.T) {
	for name, text := range map[string]string{
		"list": "a: [" + strings.Repeat("a,", 100_000) + "]", "items": strings.Repeat("- a\n", 100_000), "nested": strings.Repeat("- ", 100_000),
		"keys": numberedKeys(100_000), "aliases": "a: &a b\nc: [" + strings.Repeat("*a,", 100_000) + "]",
	} {
		if _, err := parseYAML([]byte(text)); err == nil {
			t.Errorf("%s is parsed", name)
		}
	}
	if _, err := parseYAML([]byte(numberedKeys(5000))); err != nil {
		t.Errorf("an ordinary file: %v", err)
	}
}

func numberedKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: v\n", i)
	}
	return b.String()
}

// TestArchiveBounds: names, headers and folders are bounded, and a reader asks before it keeps much.
func TestArchiveBounds(t *testing.T) {
	many := func(n int, name func(int) string) (entries []entry) {
		for i := range n {
			entries = append(entries, entry{name: name(i)})
		}
		return entries
	}
	long := strings.Repeat("a", 200)
	for name, entries := range map[string][]entry{
		"long paths": many(6000, func(i int) string { return fmt.Sprintf("%s/%d", long, i) }),
		"folders":    many(1500, func(i int) string { return fmt.Sprint(i, "/", strings.Repeat("a/", 20), "x") }),
	} {
		_, err := ReadArchive(t.Context(), bytes.NewReader(archiveOf(t, entries...)), Limits{}, nil)
		if problem, ok := errors.AsType[*Invalid](err); !ok || problem.Code != CodeArchiveBomb {
			t.Errorf("%s: %v", name, err)
		}
	}
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	archive := tar.NewWriter(packed)
	err := archive.WriteHeader(&tar.Header{Name: "pack.json", Mode: 0o644, Format: tar.FormatPAX, PAXRecords: map[string]string{"USER.x": strings.Repeat("a", 2*maxHeader)}})
	if err := errors.Join(err, archive.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = ReadArchive(t.Context(), &b, Limits{}, nil)
	if problem, ok := errors.AsType[*Invalid](err); !ok || problem.Code != CodeArchiveBomb {
		t.Errorf("a large header: %v", err)
	}
}

// TestArchiveIsAdmitted: a reader asks once before it keeps much, and not at all for an ordinary pack.
func TestArchiveIsAdmitted(t *testing.T) {
	refused := errors.New("refused")
	for name, tc := range map[string]struct {
		values, readme string
		want           int
	}{
		"ordinary": {"a: b\n", "# A\n", 0}, "large": {strings.Repeat("a: b\n", 200_000), strings.Repeat("a", 500_000), 1},
	} {
		content := archiveOf(t, entry{name: "pack.json", text: good}, entry{name: "values.yaml", text: tc.values}, entry{name: "README.md", text: tc.readme})
		asked := 0
		limits := Limits{Admit: func(context.Context) error {
			asked++
			return nil
		}}
		contents, err := ReadArchive(t.Context(), bytes.NewReader(content), limits, nil)
		if err != nil || asked != tc.want || contents.Weight > HeavyFrom != (tc.want > 0) {
			t.Errorf("%s: asked %d times, %v", name, asked, err)
		}
		limits.Admit = func(context.Context) error { return refused }
		if _, err := ReadArchive(t.Context(), bytes.NewReader(content), limits, nil); errors.Is(err, refused) != (tc.want > 0) {
			t.Errorf("%s, refused: %v", name, err)
		}
	}
}

// TestChartWithAbsoluteNames: the version of a chart is looked for up to the root, once.
func TestChartWithAbsoluteNames(t *testing.T) {
	chart := archiveOf(t, entry{name: "/a/values.yaml", text: "image:\n  repository: example.com/a\n"})
	s := newImageScan()
	if err := s.add(File{Path: "charts/a.tgz"}, bytes.NewReader(chart)); err != nil {
		t.Fatal(err)
	}
	if images := s.finish(nil); len(images) != 1 || images[0].Reference != "example.com/a" {
		t.Errorf("%+v", images)
	}
}

// TestSkimLongLines: of a long line the beginning counts, and lines after it are read.
func TestSkimLongLines(t *testing.T) {
	lines := skimmed(t, []byte("a: "+strings.Repeat("x", 3*maxLine)+"\nb: c\n"))
	if len(lines) != 2 || len(lines[0].value) > maxLine || lines[1].key != "b" || lines[1].number != 2 {
		t.Errorf("%d lines", len(lines))
	}
}

// TestLogoType: a logo is exactly one PNG or JPEG image.
func TestLogoType(t *testing.T) {
	good := string(drawLogo("a", nil))
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 40, 30)), nil); err != nil {
		t.Fatal(err)
	}
	photograph := photo.String()
	var wide bytes.Buffer
	if err := jpeg.Encode(&wide, image.NewGray(image.Rect(0, 0, maxSide+1, 1)), nil); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ content, want string }{
		"PNG": {good, "image/png"}, "JPEG": {photograph, "image/jpeg"}, "empty": {}, "text": {"hello", ""}, "signature": {pngSignature, ""},
		"PNG and more": {good + "x", ""}, "JPEG and more": {photograph + "<script>", ""}, "two JPEG": {photograph + photograph, ""},
		"PNG cut": {good[:len(good)-1], ""}, "JPEG cut": {photograph[:len(photograph)-2], ""}, "JPEG header": {photograph[:300], ""},
		"PNG damaged": {good[:60] + "\x00\x01" + good[62:], ""}, "wide JPEG": {wide.String(), ""},
		"PNG without pixels": {good[:33] + good[len(good)-12:], ""}, "large": {good + strings.Repeat("x", maxLogo), ""},
	} {
		mediaType, err := LogoType([]byte(tc.content))
		if tc.want != "" && (err != nil || mediaType != tc.want) || tc.want == "" && err == nil {
			t.Errorf("%s: %q, %v", name, mediaType, err)
		}
	}
}

// FuzzLogoType checks that no content makes LogoType fail in another way, and that nothing behind an image is accepted.
func FuzzLogoType(f *testing.F) {
	f.Add(drawLogo("a", nil))
	f.Add([]byte("\xff\xd8\xff\xd9"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, err := LogoType(content); err != nil {
			return
		}
		if _, err := LogoType(append(bytes.Clone(content), 0)); err == nil {
			t.Errorf("a byte behind the image is accepted")
		}
	})
}

// TestParentsOf agrees with ParentTags, turned around.
func TestParentsOf(t *testing.T) {
	tags := []string{"1.0", "1.2", "1.2.3", "1.x", "2.0", "LTS__22.04", "LTS__22.10", "stable"}
	want := ParentTags(tags)
	got := map[string]string{}
	for tag, parents := range ParentsOf(tags, tags) {
		for _, parent := range parents {
			got[parent] = tag
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	for parent, tag := range want {
		if found, ok := ResolveTag(tags, parent); !ok || found != tag {
			t.Errorf("%s resolves to %s, want %s", parent, found, tag)
		}
	}
	if some := ParentsOf(tags, []string{"2.0"}); len(some) != 1 || fmt.Sprint(some["2.0"]) != "[2.x 2.0.x]" {
		t.Errorf("%v", some)
	}
}
