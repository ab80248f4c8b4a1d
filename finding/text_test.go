package finding

import (
	"errors"
	"io/fs"
	"slices"
	"testing"
)

func TestTextsAreWordedForTheReader(t *testing.T) {
	region := Ref{Key: "storage.s3.region", Text: "storage.s3.region"}
	asQuestion := func(Ref) Ref { return Ref{Text: "--s3-region", Title: "“Region”"} }
	f := Finding{Code: "c"}.WithWhat(Textf("%q: %v", "%s", Errorf("read %s: %w", region, fs.ErrNotExist))).
		WithRemedy(Textf("set %s", region))
	if want := `"%s": read storage.s3.region: file does not exist; set storage.s3.region`; f.String() != want ||
		f.Titled().String() != want {
		t.Errorf("got %s and %s, want %s", f, f.Titled(), want)
	}
	f = f.Replace(asQuestion)
	if want := `"%s": read --s3-region: file does not exist; set --s3-region`; f.String() != want {
		t.Errorf("got %s, want %s", f, want)
	}
	if want := `"%s": read “Region”: file does not exist; set “Region”`; f.Titled().String() != want {
		t.Errorf("got %s, want %s", f.Titled(), want)
	}
	if plain := (Finding{What: "w", Remedy: "r"}); plain.Titled() != plain || plain.Replace(asQuestion) != plain {
		t.Error("a finding without references changed")
	}
}

func TestErrors(t *testing.T) {
	err := error(Errorf("read %s: %w", "x", fs.ErrNotExist))
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != "read x: file does not exist" {
		t.Errorf("got %v", err)
	}
	first := Finding{What: "a", Remedy: "b", Subject: Subject{Flag: "--c"}}
	if err := NewError(first, Finding{What: "d"}); err.Error() != "--c: a; b\nd" {
		t.Errorf("got %q", err)
	}
}

func TestBySeverity(t *testing.T) {
	given := []Finding{
		{What: "1", Severity: Note},
		{What: "2", Severity: Refused},
		{What: "3", Severity: Warning},
		{What: "4", Severity: Refused},
	}
	var order string
	for _, f := range BySeverity(given) {
		order += f.What
	}
	if order != "2431" || given[0].What != "1" || !AnyRefused(given) || AnyRefused(slices.Clone(given[:1])) {
		t.Errorf("sorted %s, given %v", order, given)
	}
}
