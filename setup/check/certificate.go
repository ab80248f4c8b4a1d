package check

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/spelling"
)

func proveCertificate(_ context.Context, s *session) Result {
	if s.base == nil {
		return notProven("without a configuration the certificate is unknown")
	}
	if s.Offloaded {
		return notProven("the server speaks plain HTTP: the proxy in front of it has the certificate")
	}
	if !s.secure() {
		return notProven("TLS is off: passwords cross the network unencrypted")
	}
	for _, o := range s.Orders {
		if o.Code == certgen.CodeMissing {
			return failed(o.Code, "the server uses a stand-in certificate for "+o.Entry, o.What, o.Remedy)
		}
	}
	if len(s.Chain) == 0 {
		return notProven("the certificate's file is not known here")
	}
	r := s.verifyChain(s.Chain)
	if moved := s.moved(); moved != nil && r.Status == Passed {
		return warning(moved.Code, r.Seen, moved.What, moved.Remedy)
	}
	if r.Status == Passed {
		for _, o := range s.Orders {
			return warning(o.Code, r.Seen, o.What, o.Remedy)
		}
	}
	return r
}

// verifyChain verifies a chain as a client that trusts the installation's CA does. The cause of the
// result lists all problems, the most severe first.
func (s *session) verifyChain(chain []*x509.Certificate) Result {
	problems := certgen.Verify(chain, nil, s.Roots, s.Names, s.Now())
	leaf := chain[0]
	if s.CA != nil {
		problems = finding.BySeverity(append(certgen.CheckCA(s.CA, leaf, s.Now()),
			problems...)) // its remedy also fixes the others
	}
	var worst *finding.Finding
	var all []string
	for i, p := range problems {
		if worst == nil {
			worst = &problems[i]
		}
		all = append(all, p.What)
	}
	cause := strings.Join(all, "; also: ")
	days := certgen.Inspect(leaf).DaysLeft(s.Now())
	switch {
	case worst != nil && worst.Severity == finding.Refused:
		return failed(worst.Code, spelling.Count(len(problems), "problem"), cause, worst.Remedy)
	case worst != nil && worst.Code == certgen.CodeCACloseEnd:
		return warning(worst.Code, spelling.Count(days, "day")+" left", cause, worst.Remedy)
	case certgen.CloseToEnd(leaf, s.Now()):
		return warning("cert-close-to-end", spelling.Count(days, "day")+" left", "it ends on "+leaf.NotAfter.UTC().Format("2006-01-02"), "packhouse cert rotate")
	case worst != nil:
		return warning(worst.Code, spelling.Count(days, "day")+" left", cause, worst.Remedy)
	}
	r := passed("%s, each verified as a client would, %s",
		spelling.Count(len(s.Names.Strings()), "name"), spelling.Count(days, "day"))
	if s.Unrooted {
		r.Advice = fmt.Sprintf("clients must trust the root %q, which is not known here: packhouse setup --tls-ca FILE verifies the chain against it and provides it to clients", chain[len(chain)-1].Issuer.CommonName)
	}
	return r
}

// pending returns the order that the server waits for while it presents a placeholder, or nil if it
// has a certificate.
func (s *session) pending() *finding.Finding {
	if len(s.Chain) > 0 {
		return nil
	}
	for i := range s.Orders {
		if s.Orders[i].Code == certgen.CodeMissing {
			return &s.Orders[i]
		}
	}
	return nil
}
