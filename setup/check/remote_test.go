package check

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
)

// elsewhere is a registry elsewhere, with a fault, as seen by somebody who has its CA and the name of a user.
func elsewhere(t *testing.T, fault string) (Target, *registry) {
	t.Helper()
	local, g := installation(t, fault)
	target := Target{Remote: true, URL: "https://registry.example.com", Roots: local.Roots, Dial: local.Dial, Machine: quietMachine(), Users: local.Users[:1], patience: patience}
	return target, g
}

func TestRunProvesARegistryElsewhere(t *testing.T) {
	target, g := elsewhere(t, "")
	report := Run(t.Context(), target, nil)
	for _, r := range report.Results {
		if r.Status != Passed || r.Took <= 0 {
			t.Errorf("%s: %+v", r.ID, r)
		}
	}
	if len(g.blobs) != 0 {
		t.Errorf("%d blobs are left behind", len(g.blobs))
	}
	for id, want := range map[string]string{
		"name": "registry.example.com is 192.0.2.17", "port": "TLS 1.3", "certificate": "by the CA of --ca-file", "clock": "agrees with the registry's",
		"users": "admin can log in", "roles": "admin may push", "round-trip": "pushed, pulled and deleted",
	} {
		if r := find(t, report, id); !strings.Contains(r.Seen, want) {
			t.Errorf("%s: %q, want %q", id, r.Seen, want)
		}
	}
}

func TestRunNamesTheCauseElsewhere(t *testing.T) {
	rows := []struct {
		name   string
		fault  string
		change func(t *testing.T, target *Target)
		id     string
		status Status
		code   string
		seen   string
		cause  string
		remedy string
	}{
		{name: "the name does not resolve", change: func(_ *testing.T, target *Target) { target.Machine.LookupHost = names(nil) }, id: "name", status: Warning, code: "name-unresolved", cause: "is neither in the DNS", remedy: "add it to DNS"},
		{name: "nothing listens", change: func(t *testing.T, target *Target) { target.Dial = deadEnd(t) }, id: "port", status: Failed, code: "port-refused", cause: "nothing listens there, or a firewall rejects", remedy: "run packhouse check on the server"},
		{name: "nothing listens, and no password is sent", change: func(t *testing.T, target *Target) { target.Dial = deadEnd(t) }, id: "users", status: NotProven, seen: "not reached"},
		{name: "no TLS", change: plainly(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })), id: "port", status: Warning, code: "tls-off", seen: "without TLS", cause: "cross the network", remedy: "create a certificate"},
		{name: "TLS is wanted", change: plainly(http.RedirectHandler("https://registry.example.com/", http.StatusPermanentRedirect)), id: "port", status: Failed, code: "port-wants-tls", seen: "answers 308", cause: "it speaks TLS", remedy: "https://"},
		{name: "TLS of old", change: func(t *testing.T, target *Target) { target.Dial = oldTLS(t) }, id: "port", status: Failed, code: "port-old-tls", seen: "TLS 1.1", cause: "before TLS 1.2", remedy: "in front"},
		{name: "no CA was given", change: func(_ *testing.T, target *Target) { target.Roots = nil }, id: "certificate", status: Failed, code: certgen.CodeUntrusted, cause: "clients do not trust", remedy: "add --ca-file ca.crt"},
		{name: "another CA was given", change: func(t *testing.T, target *Target) { other, _ := installation(t, ""); target.Roots = other.Roots }, id: "certificate", status: Failed, code: certgen.CodeUntrusted, cause: "clients do not trust", remedy: "packhouse cert export -o ca.crt on the server"},
		{name: "another CA was given, and no password is sent", change: func(t *testing.T, target *Target) { other, _ := installation(t, ""); target.Roots = other.Roots }, id: "users", status: NotProven, seen: "nothing was sent"},
		{name: "the name is not in the certificate", change: func(_ *testing.T, target *Target) { target.URL = "https://packs.example.com" }, id: "certificate", status: Failed, code: certgen.CodeName, cause: "packs.example.com", remedy: "have it made with this name"},
		{name: "the certificate has run out", change: func(_ *testing.T, target *Target) { target.Now = in(420 * 24 * time.Hour) }, id: "certificate", status: Failed, code: certgen.CodeExpired, cause: "ran out", remedy: "renew it"},
		{name: "the certificate has run out, or the clock is wrong", change: func(_ *testing.T, target *Target) { target.Now = in(420 * 24 * time.Hour) }, id: "clock", status: Warning, code: "clock-off", seen: "ahead of the registry", cause: "one of the two clocks", remedy: "here or there"},
		{name: "the certificate runs out soon", change: func(_ *testing.T, target *Target) { target.Now = in(380 * 24 * time.Hour) }, id: "certificate", status: Warning, code: "cert-close-to-end", cause: "it ends on", remedy: "packhouse cert rotate on the server"},
		{name: "the clocks differ", change: func(_ *testing.T, target *Target) { target.Now = in(5 * time.Minute) }, id: "clock", status: Warning, code: "clock-off", seen: "ahead of the registry", cause: "one of the two clocks", remedy: "here or there"},
		{name: "it is down", fault: "down", id: "health", status: Failed, code: "health-down", cause: "storage-full", remedy: "run packhouse status on the server"},
		{name: "it lets everybody in", fault: "open", id: "anonymous", status: Failed, code: "auth-not-asked", cause: "does not ask", remedy: "myconfig.yml of the server"},
		{name: "any password does", fault: "any password", id: "wrong-password", status: Failed, code: "auth-wrong-password", cause: "accepted a wrong password", remedy: "off the network"},
		{name: "the password is wrong", fault: "locked out", id: "users", status: Failed, code: "user-refused", seen: "admin: 401", cause: "did not sign in: wrong password", remedy: "packhouse user passwd admin"},
		{name: "the password is wrong, and nothing is pushed", fault: "locked out", id: "round-trip", status: NotProven, seen: "admin cannot sign in"},
		{name: "nobody was named", change: func(_ *testing.T, target *Target) { target.Users = nil }, id: "users", status: NotProven, seen: "--user and --password-stdin"},
		{name: "nobody was named, and nothing is pushed", change: func(_ *testing.T, target *Target) { target.Users = nil }, id: "round-trip", status: NotProven, seen: "--user"},
		{name: "a reader", change: func(_ *testing.T, target *Target) { target.Users = reader() }, id: "roles", status: Passed, seen: "rita may only read"},
		{name: "a reader pushes nothing", change: func(_ *testing.T, target *Target) { target.Users = reader() }, id: "round-trip", status: NotProven, seen: "rita may not push"},
		{name: "a writer leaves nothing behind", fault: "no deletion", id: "round-trip", status: NotProven, seen: "admin may not delete (403)"},
		{name: "other bytes come back", fault: "other bytes", id: "round-trip", status: Failed, code: "round-trip-content", cause: "differs", remedy: "scrub"},
		{name: "quickly", change: func(_ *testing.T, target *Target) { target.Quick = true }, id: "round-trip", status: NotProven, seen: "left out by --quick"},
		{name: "quickly, and no upload is begun", change: func(_ *testing.T, target *Target) { target.Quick = true }, id: "roles", status: NotProven, seen: "left out by --quick"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			target, g := elsewhere(t, row.fault)
			if row.change != nil {
				row.change(t, &target)
			}
			r := find(t, Run(t.Context(), target, nil), row.id)
			told(t, r, row.status, row.code, row.seen, row.cause, row.remedy)
			g.mu.Lock()
			defer g.mu.Unlock()
			if len(g.blobs) != 0 {
				t.Errorf("%d blobs are left behind", len(g.blobs))
			}
		})
	}
}

func reader() []User {
	return []User{{Name: "rita", Password: func() []byte { return []byte(readerPassword) }}}
}

// in is the clock of a machine that is ahead.
func in(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}

// deadEnd is an address where nobody listens.
func deadEnd(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	return listener.Addr().String()
}

// plainly has a handler answer without TLS.
func plainly(h http.Handler) func(*testing.T, *Target) {
	return func(t *testing.T, target *Target) {
		t.Helper()
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		target.URL, target.Dial = "http://registry.example.com", server.Listener.Addr().String()
	}
}

// oldTLS is a server of long ago.
func oldTLS(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11} //nolint:gosec // the fault
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// TestStandin: while a certificate is being ordered the cause is the order, and never a CA that nobody handed out.
func TestStandin(t *testing.T) {
	const fault = "there is no certificate for registry.example.com yet, and clients refuse the stand-in: the CA says 403; next try at 2026-05-04T12:00:00Z"
	waiting := func(t *testing.T, served bool) Target {
		target, _ := installation(t, "")
		if served {
			target.Served = certgen.Fingerprint(target.Chain[0])
		}
		target.Chain, target.Roots = nil, nil
		target.Orders = []finding.Finding{{
			Code: certgen.CodeMissing, Subject: finding.Subject{Entry: "registry.example.com"},
			What: fault, Remedy: "let the CA reach port 443",
		}}
		return target
	}
	t.Run("the server says which", func(t *testing.T) {
		report := Run(t.Context(), waiting(t, true), nil)
		told(t, find(t, report, "certificate"), Failed, certgen.CodeMissing, "the server uses a stand-in certificate for registry.example.com", fault, "port 443")
		if r := find(t, report, "port"); r.Status != Passed || !strings.Contains(r.Seen, "with a stand-in") {
			t.Errorf("%+v", r)
		}
		for _, r := range report.Results { // everything else is proven all the same
			if r.ID != "certificate" && r.Status != Passed {
				t.Errorf("%+v, want passed", r)
			}
		}
	})
	t.Run("the server cannot be asked", func(t *testing.T) {
		report := Run(t.Context(), waiting(t, false), nil)
		told(t, find(t, report, "health"), Failed, certgen.CodeMissing, "serves a stand-in", fault, "port 443")
		for _, r := range report.Results {
			if strings.Contains(r.Finding.Remedy, "ca.crt") {
				t.Errorf("%+v hands out a CA that does not help", r)
			}
		}
	})
	t.Run("another program uses the port", func(t *testing.T) {
		target := waiting(t, true)
		other, _ := installation(t, "")
		target.Dial = other.Dial
		told(t, find(t, Run(t.Context(), target, nil), "port"), Failed, "port-other-certificate", "serves", "a stand-in: another program", "ss -ltnp")
	})
	t.Run("the one before is served", func(t *testing.T) {
		target, _ := installation(t, "")
		target.Orders = []finding.Finding{{Code: CodeNotRenewed, What: "the certificate could not be renewed", Remedy: "let the CA reach port 443"}}
		report := Run(t.Context(), target, nil)
		told(t, find(t, report, "certificate"), Warning, "cert-not-renewed", "days", "could not be renewed", "port 443")
		if report.Worst() != Warning {
			t.Errorf("worst is %s", report.Worst())
		}
	})
}

func TestUntrustedOfAnOrderedCertificate(t *testing.T) {
	target, _ := installation(t, "")
	target.Roots = nil
	target.Config.HTTP.TLS.LetsEncrypt.Hosts = []string{"registry.example.com"}
	target.Config.HTTP.TLS.LetsEncrypt.CacheFile, target.Config.HTTP.TLS.LetsEncrypt.Email = "/le-cache", "you@example.com"
	told(t, find(t, Run(t.Context(), target, nil), "health"), Failed, certgen.CodeUntrusted, "", "not the one that was ordered", "packhouse cert show")
}

// TestQuick: nothing is written, and nobody is asked who may take long.
func TestQuick(t *testing.T) {
	target, g := installation(t, "")
	target.Quick = true
	target.Bucket = func(context.Context) BucketProof { t.Error("the bucket was tried"); return BucketProof{} }
	report := Run(t.Context(), target, nil)
	var left []string
	for _, r := range report.Results {
		if r.Status == NotProven && strings.Contains(r.Seen, "--quick") {
			left = append(left, r.ID)
		} else if r.Status != Passed {
			t.Errorf("%+v", r)
		}
	}
	if !slices.Equal(left, []string{"roles", "round-trip", "packs"}) {
		t.Errorf("left out: %v", left)
	}
	if g.writes != 0 {
		t.Errorf("%d requests that write", g.writes)
	}
	target.Config.Storage.Driver = "s3"
	if r := find(t, Run(t.Context(), target, nil), "storage"); r.Status != NotProven || !strings.Contains(r.Seen, "--quick") {
		t.Errorf("%+v", r)
	}
}

func TestBucket(t *testing.T) {
	rows := []struct {
		name   string
		proof  BucketProof
		status Status
		code   string
		seen   string
		cause  string
		remedy string
		advice []string
	}{
		{"sound", BucketProof{Works: "reading and writing work", Lifecycle: "{rule}"}, Passed, "", "reading and writing work", "", "", []string{"lifecycle rule", "{rule}"}},
		{"lacks what can be done without", BucketProof{Works: "works", Lost: []string{"damaged blobs are not moved away", "listings lag"}, Lifecycle: "{rule}"}, Passed, "", "works", "", "", []string{"missing in this S3 service:\n- damaged blobs are not moved away\n- listings lag\n", "{rule}"}},
		{"lacks what several servers need", BucketProof{Failure: &finding.Finding{Code: "bucket-conditions", Severity: finding.Warning, What: "run one process", Remedy: "a newer release"}, Lifecycle: "{rule}"}, Warning, "bucket-conditions", "bucket packs", "run one process", "a newer release", []string{"{rule}"}},
		{"refuses", BucketProof{Failure: &finding.Finding{Code: "bucket-put", Severity: finding.Refused, What: "writing fails", Remedy: "allow s3:PutObject"}}, Failed, "bucket-put", "bucket packs", "writing fails", "s3:PutObject", nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			target, _ := installation(t, "")
			target.Config.Storage.Driver = "s3"
			target.Config.Storage.S3.Bucket = "packs"
			target.Bucket = func(context.Context) BucketProof { return row.proof }
			r := find(t, Run(t.Context(), target, nil), "storage")
			told(t, r, row.status, row.code, row.seen, row.cause, row.remedy)
			for _, want := range row.advice {
				if !strings.Contains(r.Advice, want) {
					t.Errorf("advice %q, want %q", r.Advice, want)
				}
			}
		})
	}
}

func TestMachineAndDisk(t *testing.T) {
	for _, row := range []struct {
		cpus   float64
		memory uint64
		seen   string
		small  bool
	}{
		{2, 4 << 30, "2 processors, 4.0 GiB of memory", false},
		{1, 2 << 30, "1 processor, 2.0 GiB of memory", false},
		{0.5, 4 << 30, "0.5 processors, 4.0 GiB of memory", true},
		{2, 1 << 30, "2 processors, 1.0 GiB of memory", true},
	} {
		target, _ := installation(t, "")
		target.Machine.CPUs, target.Machine.Memory = row.cpus, row.memory
		target.Machine.OnRootDisk = func(string) bool { return row.small }
		report := Run(t.Context(), target, nil)
		if r := find(t, report, "machine"); r.Status != Passed || r.Seen != row.seen || (r.Advice != "") != row.small {
			t.Errorf("%+v, want %q", r, row.seen)
		}
		if r := find(t, report, "storage"); r.Status != Passed || strings.Contains(r.Advice, "root disk") != row.small {
			t.Errorf("%+v", r)
		}
	}
}

func TestThisMachine(t *testing.T) {
	m := ThisMachine()
	if m.CPUs <= 0 {
		t.Errorf("%v processors", m.CPUs)
	}
	addrs, err := m.Addresses()
	if err != nil || !slices.ContainsFunc(addrs, netip.Addr.IsLoopback) {
		t.Errorf("%v, %v: no loopback", addrs, err)
	}
}
