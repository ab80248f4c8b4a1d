package check

// Codes that several findings use. Others are literals in their findings. docs/troubleshooting.md explains all of them.
const (
	CodeUnresolved   = "name-unresolved" // a name does not resolve from here
	CodeElsewhere    = "name-elsewhere"  // a name leads to another machine
	CodeNoAnswer     = "name-no-answer"  // who resolves names did not answer
	CodeLoopback     = "name-loopback"   // a name is this machine for itself only
	CodeNAT          = "name-nat"        // a name is an address that this machine does not have, as behind NAT
	CodeClockNotKept = "clock-unsynchronised"
	CodeClockOff     = "clock-off"
	CodeClosed       = "firewall-closed"    // the port is not let through
	CodeAddress      = "address-changed"    // an address of the certificate left this machine
	CodeLimited      = "firewall-limited"   // the port is let through for some
	CodeUnsure       = "firewall-unsure"    // the rules are not conclusive
	CodeUnreadable   = "firewall-not-asked" // only root may see the rules
)
