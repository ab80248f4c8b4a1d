package plan

import (
	"net/netip"
	"slices"
	"strings"

	"packhouse/setup/installation"
	"packhouse/setup/question"
)

// FormerAddresses returns the addresses of the certificate that the machine had when setup issued it.
func FormerAddresses(in *installation.Installed) (had []netip.Addr) {
	if in == nil || in.Manifest == nil {
		return nil
	}
	for text := range strings.SplitSeq(in.Manifest.Settings[installation.SettingAddresses], ",") {
		if a, err := netip.ParseAddr(text); err == nil {
			had = append(had, a)
		}
	}
	return had
}

// ownAddresses returns the addresses of the planned certificate that the machine has, or had when
// setup recorded them. An installation without a record gets one with its next change.
func (b *builder) ownAddresses() string {
	if !question.Made(&b.answers) || b.machine == nil {
		return ""
	}
	old := b.installed.Manifest
	if old != nil && old.Settings[installation.SettingAddresses] == "" && !b.plan.Pending() {
		return ""
	}
	names, err := b.answers.CertNames()
	if err != nil {
		return ""
	}
	had := FormerAddresses(b.installed)
	var out []string
	for _, a := range names.IPs {
		if !a.IsLoopback() && (b.machine.Has(a) || slices.Contains(had, a)) {
			out = append(out, a.String())
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
