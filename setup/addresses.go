package setup

import (
	"net/netip"
	"slices"
	"strings"
)

// settingAddresses is the manifest setting that lists the certificate's addresses that the machine
// had when setup issued it. Other addresses in the certificate, such as that of a load balancer,
// never belonged to the machine.
const settingAddresses = "addresses"

// Had returns the addresses of the certificate that the machine had when setup issued it.
func (in *Installed) Had() (had []netip.Addr) {
	if in == nil || in.Manifest == nil {
		return nil
	}
	for text := range strings.SplitSeq(in.Manifest.Settings[settingAddresses], ",") {
		if a, err := netip.ParseAddr(text); err == nil {
			had = append(had, a)
		}
	}
	return had
}

// ownAddresses returns the addresses of the planned certificate that the machine has, or had when
// setup recorded them. An installation without a record gets one with its next change.
func (b *builder) ownAddresses() string {
	if !made(&b.answers) || b.machine == nil {
		return ""
	}
	old := b.installed.Manifest
	if old != nil && old.Settings[settingAddresses] == "" && !b.plan.Pending() {
		return ""
	}
	names, err := b.answers.CertNames()
	if err != nil {
		return ""
	}
	had := b.installed.Had()
	var out []string
	for _, a := range names.IPs {
		if !a.IsLoopback() && (b.machine.Has(a) || slices.Contains(had, a)) {
			out = append(out, a.String())
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
