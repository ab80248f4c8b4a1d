package installation

import (
	"crypto/x509"
	"time"
)

// LifeDays returns the lifetime of a certificate in whole days. NotBefore and NotAfter are
// inclusive.
func LifeDays(c *x509.Certificate) int {
	return int((c.NotAfter.Sub(c.NotBefore) + time.Second) / (24 * time.Hour))
}

// CutByCA reports whether a certificate expires earlier than requested because its CA does.
func CutByCA(chain []*x509.Certificate) bool {
	return len(chain) > 1 && chain[0].NotAfter.Equal(chain[1].NotAfter)
}

// Day returns a date in UTC as YYYY-MM-DD.
func Day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
