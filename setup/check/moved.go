package check

import (
	"fmt"
	"net/netip"
	"slices"

	"packhouse/finding"
)

// AddressMoved compares the certificate's addresses that the machine had when setup issued it with
// the machine's current ones. It returns a warning with [CodeAddress], or nil if none is gone.
func AddressMoved(had, has []netip.Addr) *finding.Finding {
	gone := slices.DeleteFunc(slices.Clone(had), func(a netip.Addr) bool { return slices.Contains(has, a) })
	if len(gone) == 0 || len(has) == 0 {
		return nil
	}
	flags := ""
	fresh := slices.DeleteFunc(slices.Clone(has), func(a netip.Addr) bool {
		return !a.IsGlobalUnicast() || slices.Contains(had, a) || !slices.ContainsFunc(gone, func(old netip.Addr) bool { return old.Is4() == a.Is4() })
	})
	what := fmt.Sprintf("the address of this machine changed: it no longer has %s, which the certificate names", listed(gone))
	if len(fresh) > 0 {
		what += "; it has " + listed(fresh)
		flags = " --san " + fresh[0].String()
	}
	for _, a := range gone {
		flags += " --no-san " + a.String()
	}
	return &finding.Finding{
		Code: CodeAddress, Severity: finding.Warning, What: what,
		Remedy: "correct the DNS entry, and issue another certificate: packhouse cert rotate" + flags,
	}
}

// moved returns the finding for this machine, or nil.
func (s *session) moved() *finding.Finding {
	if len(s.Had) == 0 || s.Machine == nil || s.Machine.Addresses == nil {
		return nil
	}
	has, err := s.Machine.Addresses()
	if err != nil {
		return nil
	}
	return AddressMoved(s.Had, has)
}
