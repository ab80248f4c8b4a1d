package certgen

import (
	"crypto/x509"
	"fmt"
	"time"

	"packhouse/finding"
)

// caWithin is how long before its end a private CA is reported.
const caWithin = 30 * 24 * time.Hour

// CheckCA returns what is wrong with the lifetime of the private CA that signed leaf, or nil: it is
// expired, expires within 30 days, or expires before leaf. Clients refuse leaf when its CA is expired,
// and a new certificate of the same CA does not help.
func CheckCA(ca, leaf *x509.Certificate, now time.Time) []finding.Finding {
	const remedy = "packhouse cert rotate --new-ca creates another CA; give its ca.crt to every client"
	name := ca.Subject.CommonName
	switch {
	case now.After(ca.NotAfter):
		return []finding.Finding{{Code: CodeCAExpired, Severity: finding.Refused, What: fmt.Sprintf("the CA %q expired on %s, so clients refuse every certificate that it signed", name, day(ca.NotAfter)), Remedy: remedy}}
	case !now.Before(ca.NotAfter.Add(-caWithin)):
		left := Inspect(ca).DaysLeft(now)
		return []finding.Finding{{Code: CodeCACloseEnd, Severity: finding.Warning, What: fmt.Sprintf("the CA %q expires on %s, in %d days", name, day(ca.NotAfter), left), Remedy: remedy}}
	case leaf != nil && ca.NotAfter.Before(leaf.NotAfter):
		return []finding.Finding{{
			Code: CodeCAEndsFirst, Severity: finding.Warning, What: fmt.Sprintf("the CA %q expires on %s, before the certificate (%s)", name, day(ca.NotAfter), day(leaf.NotAfter)),
			Remedy: remedy,
		}}
	}
	return nil
}
