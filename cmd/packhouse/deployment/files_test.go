package deployment

import (
	"reflect"
	"strings"
	"testing"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/acme"
	"packhouse/server/config"
	"packhouse/server/storage/s3"
	"packhouse/setup/check"
)

func TestClocks(t *testing.T) {
	bucket := func(s config.S3Storage) config.Config {
		return config.Config{Storage: config.Storage{Driver: config.S3, S3: s}}
	}
	ordered := func(directory string) config.Config {
		var c config.Config
		c.HTTP.TLS.LetsEncrypt = config.LetsEncrypt{CacheFile: "/le-cache", Hosts: []string{"registry.example.com"}, Email: "you@example.com", DirectoryURL: directory}
		return c
	}
	for want, c := range map[string]config.Config{
		"":                                      {},
		"https://s3.eu-central-1.amazonaws.com": bucket(config.S3Storage{Region: "eu-central-1", Secure: true}),
		"https://minio.example.com:9000":        bucket(config.S3Storage{RegionEndpoint: "https://minio.example.com:9000", Secure: true}),
		"http://minio.example.com:9000":         bucket(config.S3Storage{RegionEndpoint: "minio.example.com:9000"}),
		"https://acme-v02.api.letsencrypt.org/directory": ordered(""),
		"https://ca.example.com/dir":                     ordered("https://ca.example.com/dir"),
	} {
		got := ""
		if sources := clocks(&c); len(sources) > 0 {
			got = sources[0].URL
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestJudgeBucket: what an engine lacks is told by itself, and not among what works.
func TestJudgeBucket(t *testing.T) {
	findings := func(f finding.Trial) []finding.Trial {
		f.Check, f.Tried = s3.RightConditions, true
		return []finding.Trial{
			{Finding: finding.Finding{Subject: finding.Subject{Check: s3.RightPut}, What: "writing works"}, Passed: true, Tried: true}, f,
		}
	}
	trial := func(what, remedy string, passed bool, lost ...string) finding.Trial {
		return finding.Trial{Finding: finding.Finding{What: what, Remedy: remedy}, Passed: passed, Weaknesses: lost}
	}
	lost := []string{"damaged blobs are not moved away"}
	rows := []struct {
		name string
		from finding.Trial
		want check.BucketProof
	}{
		{"sound", trial("conditions work", "", true), check.BucketProof{Works: "every right was tried in bucket packs: writing works, conditions work"}},
		{"lacks something", trial("conditions work; but not all", "", true, lost...), check.BucketProof{Works: "every right was tried in bucket packs: writing works, writing with conditions works", Lost: lost}},
		{
			"lacks what several servers need", trial("run one process", "a newer release", false, lost...),
			check.BucketProof{Failure: &finding.Finding{
				Code: "bucket-conditions", Severity: finding.Warning, What: "run one process", Remedy: "a newer release",
				Subject: finding.Subject{Question: "s3-bucket", Flag: "--s3-bucket"},
			}},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := judgeBucket(config.S3Storage{Bucket: "packs"}, findings(row.from))
			if got.Lifecycle == "" {
				t.Error("no lifecycle rule")
			}
			got.Lifecycle = ""
			if !reflect.DeepEqual(got, row.want) {
				t.Errorf("%+v\nwant %+v", got, row.want)
			}
		})
	}
}

// serviceOf is a store in a bucket of a service with the traits.
type serviceOf s3.Traits

func (s serviceOf) Traits() s3.Traits { return s3.Traits(s) }

// TestLackingIn compares what `config verify` reports about a service with what serve logs.
func TestLackingIn(t *testing.T) {
	whole := s3.Traits{Create: true, Replace: true, ConditionalDrop: true, ReadAfterWrite: true, ListedAfterWrite: true, Copy: true}
	for name, c := range map[string]struct {
		spoil    func(*s3.Traits)
		severity finding.Severity
		remedy   string
	}{
		"whole":              {func(*s3.Traits) {}, "", ""},
		"no copies":          {func(t *s3.Traits) { t.Copy = false }, finding.Note, ""},
		"weak If-None-Match": {func(t *s3.Traits) { t.Create = false }, finding.Warning, s3.WeakRemedy},
		"weak If-Match":      {func(t *s3.Traits) { t.Replace = false }, finding.Warning, s3.WeakRemedy},
	} {
		traits := whole
		c.spoil(&traits)
		var want []finding.Finding
		for _, what := range traits.Weaknesses() {
			want = append(want, finding.Finding{Severity: c.severity, What: what, Remedy: c.remedy})
		}
		if got := StoreFindings(serviceOf(traits)); !reflect.DeepEqual(got, want) || (len(got) > 0) != (c.severity != "") {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if got := StoreFindings(struct{}{}); got != nil {
		t.Errorf("another store: %+v", got)
	}
}

// TestOrdersOf: where the cache may not be read, the server's own words tell.
func TestOrdersOf(t *testing.T) {
	const fault = "there is no certificate for registry.example.com yet, and clients refuse the stand-in: it is being ordered"
	got := ordersOf([]string{"the htpasswd file cannot be read", fault})
	want := []finding.Finding{{
		Code: certgen.CodeMissing, Severity: finding.Refused, Subject: finding.Subject{Entry: "registry.example.com"},
		What: fault, Remedy: orderRemedy,
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestOrderRemedy verifies that a remedy does not repeat the reason of the CA, which the fault names already.
func TestOrderRemedy(t *testing.T) {
	s := acme.State{Host: "registry.example.com", Problem: "caa", Failure: "CAA record forbids it"}
	if remedy := orderRemedyOf(s); remedy != problemRemedies["caa"] || !strings.Contains(s.Fault(), s.Failure) {
		t.Errorf("fault %q, remedy %q", s.Fault(), remedy)
	}
}
