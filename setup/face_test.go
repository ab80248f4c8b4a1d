package setup

import (
	"strings"
	"testing"
)

func TestAtQuestions(t *testing.T) {
	for given, want := range map[string]string{
		"name its CA with --s3-ca-file instead":                                "name its CA at “CA of the engine” instead",
		"name it with --s3-region, for instance us-east-1":                     "name it at “Region”, for instance us-east-1",
		"correct the host in --s3-endpoint, or the region":                     "correct the host at “Engine”, or the region",
		"correct --s3-access-key and its secret key":                           "correct “Access key” and its secret key",
		"give it with --s3-secret-key-file FILE or in PACKHOUSE_S3_SECRET_KEY": "give it at “Secret key”",
		"leave it out with --offline":                                          "leave it out with --offline", // no question
		"xn--bcher-kva.example is bücher.example":                              "xn--bcher-kva.example is bücher.example",
		"nothing of it": "nothing of it",
	} {
		if got := AtQuestions(given); got != want {
			t.Errorf("AtQuestions(%q) = %q, want %q", given, got, want)
		}
	}
}

// TestNoFlagIsAskedFor: what trying a bucket finds names questions, and no flag, to somebody who is asked.
func TestNoFlagIsAskedFor(t *testing.T) {
	for _, text := range trialTexts(t) {
		if said := AtQuestions(inFlags.Replace(text)); strings.Contains(said, "--") {
			t.Errorf("%s: %s", text, said)
		}
	}
}
