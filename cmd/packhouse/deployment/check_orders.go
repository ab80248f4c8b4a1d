package deployment

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/finding"
	"packhouse/server/acme"
	"packhouse/setup/check"
)

// orderRemedy is the default remedy for a failed order.
const orderRemedy = "make sure that the CA reaches this server under that name: " +
	"TLS-ALPN-01 uses port 443, HTTP-01 port 80; packhouse cert show reports details"

// problemRemedies are the remedies for types of problems that a CA reports (RFC 8555, section 6.7).
var problemRemedies = map[string]string{
	"externalAccountRequired": "get a key ID and an HMAC key from the CA, and run " +
		"packhouse setup --acme-eab-kid ID --acme-eab-key-file FILE",
	"unauthorized": "see that the name leads to this server, and that the CA accepts the account: " +
		"--acme-eab-kid and --acme-eab-key-file",
	"rateLimited": "wait: the server retries automatically; " +
		"for tests, --acme-directory selects another directory",
	"caa":                "add a CAA record for this CA to the DNS zone of the name, or remove those of others",
	"dns":                "see that the public DNS has an address for the name, and that its servers answer",
	"rejectedIdentifier": "use a name that the CA signs for: most sign for public names only",
	"invalidContact":     "correct http.tls.letsencrypt.email",
	"badPublicKey":       "remove the account key from the cache directory: the server makes another",
	"userActionRequired": "follow the link in the reason and accept the terms of the CA",
}

// orderRemedyOf returns the remedy for the failed order of a name, by the type of the CA's problem.
func orderRemedyOf(s acme.State) string { return cmp.Or(problemRemedies[s.Problem], orderRemedy) }

// addOrders adds the state of the certificates that the server orders: from the cache or, if it
// cannot be read, from the running server.
func addOrders(ctx context.Context, a *cli.App, t *check.Target, faults []string) {
	states, err := Orders(ctx, a, t.Config)
	if err != nil || len(states) == 0 || states[0].Unread != "" {
		t.Orders = ordersOf(faults)
		return
	}
	if t.Chain = states[0].Chain; len(t.Chain) > 0 {
		t.Roots = OrderedTrust(t.Config, t.Chain, a.Now())
		believe(a, t)
	}
	for _, s := range states {
		t.Names.DNS = append(t.Names.DNS, s.Host)
		if fault := s.Fault(); fault != "" {
			code, severity := check.CodeNotRenewed, finding.Warning
			if s.Leaf == nil {
				code, severity = certgen.CodeMissing, finding.Refused
			}
			t.Orders = append(t.Orders, finding.Finding{
				Code: code, Severity: severity, Subject: finding.Subject{Entry: s.Host},
				What: fault, Remedy: orderRemedyOf(s),
			})
		}
	}
}

// ordersOf extracts the orders from a server's faults.
func ordersOf(faults []string) []finding.Finding {
	var orders []finding.Finding
	for _, fault := range faults {
		if rest, ok := strings.CutPrefix(fault, "there is no certificate for "); ok {
			host, _, _ := strings.Cut(rest, " ")
			orders = append(orders, finding.Finding{
				Code: certgen.CodeMissing, Severity: finding.Refused, Subject: finding.Subject{Entry: host},
				What: fault, Remedy: orderRemedy,
			})
		}
	}
	return orders
}

// believe makes the checks accept a certificate of a CA that this machine does not trust, such as a
// staging CA, so that they can verify everything else. It adds a finding about it.
func believe(a *cli.App, t *check.Target) {
	if t.Roots != nil {
		return
	}
	for _, p := range certgen.Verify(t.Chain, nil, nil, certgen.NamesOf(t.Chain[0]), a.Now()) {
		if p.Code != certgen.CodeIncomplete && p.Code != certgen.CodeUntrusted {
			continue
		}
		top := t.Chain[len(t.Chain)-1]
		t.Roots = []*x509.Certificate{top}
		t.Findings = append(t.Findings, finding.Finding{
			Code: certgen.CodeUntrusted, Severity: finding.Warning,
			Subject: finding.Subject{File: t.ConfigPath, Key: "http.tls.letsencrypt.directoryurl"},
			What:    fmt.Sprintf("this machine does not trust who signs for that directory: %s", top.Issuer),
			Remedy:  "clients need its root certificate; clients do not have that of a staging directory",
		})
		return
	}
}
