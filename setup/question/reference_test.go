package question

import (
	"strings"
	"testing"

	"packhouse/finding"
)

// TestEveryReferenceHasAQuestion finds a reference to a flag that answers no question.
func TestEveryReferenceHasAQuestion(t *testing.T) {
	for _, flag := range s3Flags {
		if titleOf(flag) == flag {
			t.Errorf("no question has the flag %s", flag)
		}
	}
}

// TestReferences: scripts read flags, the wizard shows titles, and keys of myconfig.yml become either.
func TestReferences(t *testing.T) {
	key := func(path string) finding.Ref { return finding.Ref{Key: path, Text: path} }
	for _, tc := range []struct {
		remedy         finding.Text
		flags, answers string
	}{
		{
			finding.Textf("name its CA %s instead", withFlag("--s3-ca-file", "")),
			"name its CA with --s3-ca-file instead", "name its CA at “CA of the S3 service” instead",
		},
		{
			finding.Textf("give it %s", withFlag("--s3-secret-key-file", " FILE or in "+S3SecretVariable)),
			"give it with --s3-secret-key-file FILE or in PACKHOUSE_S3_SECRET_KEY", "give it at “Secret key”",
		},
		{
			finding.Textf("correct the host %s or the region",
				finding.Ref{Key: "storage.s3.regionendpoint", Text: "in storage.s3.regionendpoint", In: true}),
			"correct the host in --s3-endpoint or the region", "correct the host at “S3 service” or the region",
		},
		{
			finding.Textf("correct %s and %s", key("storage.s3.accesskey"),
				finding.Ref{Key: "storage.s3.secretkey", Text: "secretkey"}),
			"correct --s3-access-key and --s3-secret-key-file", "correct “Access key” and “Secret key”",
		},
		{
			finding.Textf("try %s", finding.Ref{Key: "storage.s3.forcepathstyle", Text: "forcepathstyle", Other: true}),
			"try the other setting of --s3-path-style", "try the other setting of “Path style”",
		},
		{
			finding.Textf("correct %s", key("storage.s3")), "correct the answers about the bucket",
			"correct the answers about the bucket",
		},
		{finding.Textf("leave it out with --offline"), "leave it out with --offline", "leave it out with --offline"},
	} {
		f := finding.Finding{}.WithWhat(finding.Textf("%v",
			finding.Errorf("read %s", key("storage.s3.cafile")))).WithRemedy(tc.remedy).Replace(byKey)
		if f.Remedy != tc.flags || f.What != "read --s3-ca-file" {
			t.Errorf("scripts read %q; %q, want %q", f.What, f.Remedy, tc.flags)
		}
		if f = f.Titled(); f.Remedy != tc.answers || f.What != "read “CA of the S3 service”" {
			t.Errorf("the wizard shows %q; %q, want %q", f.What, f.Remedy, tc.answers)
		}
	}
}

// TestTrialsNameQuestions: what trying a bucket finds names no key where setup asks.
func TestTrialsNameQuestions(t *testing.T) {
	for _, key := range trialKeys(t) {
		said := finding.Finding{}.WithRemedy(finding.Textf("%s", finding.Ref{Key: key, Text: key})).Replace(byKey)
		if strings.Contains(said.Remedy, "storage.s3") || strings.Contains(said.Titled().Remedy, "--") {
			t.Errorf("%s is %q, and %q in the wizard", key, said.Remedy, said.Titled().Remedy)
		}
	}
}
