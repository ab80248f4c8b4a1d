package disk

import (
	"encoding/hex"
	"os"
	"strings"
)

// bootVariable holds the boot ID where /proc shows only processes: setup's systemd unit sets it,
// because ProcSubset=pid hides /proc/sys.
const bootVariable = "PACKHOUSE_BOOT_ID"

// bootIDFile is where the kernel publishes the boot ID.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// bootID returns an identifier of the current boot in the form of a UUID, or "" if it is unknown.
// The kernel writes it with dashes and systemd without; both yield the same result.
func bootID(file string, getenv func(string) string) string {
	if id, err := os.ReadFile(file); err == nil {
		return normalizeBootID(string(id))
	}
	return normalizeBootID(getenv(bootVariable))
}

// normalizeBootID returns id in the kernel's form, with dashes, or "" if it is not a 128-bit
// identifier.
func normalizeBootID(id string) string {
	digits := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(id), "-", ""))
	if b, err := hex.DecodeString(digits); err != nil || len(b) != 16 {
		return ""
	}
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}
