package question_test

import (
	"maps"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/question"
)

// TestOrderingIsJudged: what keeps a CA from signing is said before anything is ordered.
func TestOrderingIsJudged(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // what is not of this machine is not reached
	url, ca := answertest.Directory(t, answertest.DirectoryBody, http.StatusOK)
	noDirectory, noDirectoryCA := answertest.Directory(t, "<html>", http.StatusOK)
	gone, goneCA := answertest.Directory(t, "", http.StatusNotFound)
	at := func(addr string) machinetest.Host {
		return machinetest.Host{Resolves: map[string][]netip.Addr{"registry.example.com": {netip.MustParseAddr(addr)}}}
	}
	base := answer.Values{"tls": {"letsencrypt"}, "acme-directory": {url}, "acme-ca": {ca}, "addr": {":443"}}
	for _, tc := range []struct {
		name     string
		host     machinetest.Host
		change   answer.Values
		severity finding.Severity
		code     string
		question string
		says     string
	}{
		{"an address", machinetest.Host{}, answer.Values{"hostname": {"192.0.2.17"}}, finding.Refused, setup.CodeName, "tls", "sign for names"},
		{"a name of the inside", machinetest.Host{}, answer.Values{"hostname": {"registry.internal"}, "acme-directory": {question.ACMEStaging}, "acme-ca": {""}}, finding.Warning, setup.CodeName, "tls", "not a public name"},
		{"a port that is not 443", machinetest.Host{}, answer.Values{"addr": {":5000"}}, finding.Warning, setup.CodeChallenge, "tls", "listens at 5000"},
		{"a name that does not resolve", machinetest.Host{Resolves: map[string][]netip.Addr{}}, nil, finding.Warning, setup.CodeNoResolve, "tls", "will not find"},
		{"a name that leads elsewhere", at("198.51.100.4"), nil, finding.Warning, setup.CodeElsewhere, "tls", "198.51.100.4"},
		{"a private address", at("10.0.0.7"), answer.Values{"acme-directory": {question.ACMEStaging}, "acme-ca": {""}}, finding.Warning, setup.CodeChallenge, "tls", "the internet cannot reach"},
		{"no address for mail", machinetest.Host{}, answer.Values{"acme-email": {"me"}}, finding.Refused, setup.CodeValue, "acme-email", "not an address for mail"},
		{"no URL", machinetest.Host{}, answer.Values{"acme-directory": {"http://ca.example/dir"}}, finding.Refused, setup.CodeURL, "acme-directory", "not the URL"},
		{"staging", machinetest.Host{}, answer.Values{"acme-directory": {question.ACMEStaging}, "acme-ca": {""}}, finding.Note, setup.CodeStaging, "acme-directory", "do not trust"},
		{"a CA that is not trusted", machinetest.Host{}, answer.Values{"acme-ca": {""}}, finding.Refused, setup.CodeUnreached, "acme-ca", "certificate"},
		{"a CA that is not there", machinetest.Host{}, answer.Values{"acme-ca": {"/nowhere"}}, finding.Refused, setup.CodeUnread, "acme-ca", "/nowhere"},
		{
			"no directory there",
			machinetest.Host{},
			answer.Values{"acme-directory": {noDirectory}, "acme-ca": {noDirectoryCA}},
			finding.Refused, setup.CodeUnreached, "acme-ca", "not an ACME",
		},
		{
			"nothing there",
			machinetest.Host{},
			answer.Values{"acme-directory": {gone}, "acme-ca": {goneCA}},
			finding.Refused, setup.CodeUnreached,
			"acme-ca", "404",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			flags := answertest.InDir(base, filepath.Join(t.TempDir(), "packhouse"))
			maps.Copy(flags, tc.change)
			_, findings := answer.Resolve(
				t.Context(), machinetest.New(t, &tc.host), nil, answer.Input{Flags: flags},
			)
			if !slices.ContainsFunc(findings, func(f finding.Finding) bool {
				return f.Severity == tc.severity && f.Code == tc.code && f.Question == tc.question &&
					strings.Contains(f.String(), tc.says)
			}) {
				t.Errorf("no finding %s %s of %s in %v", tc.severity, tc.code, tc.question, findings)
			}
		})
	}
}
