package check

// Codes that several findings use. Others are literals in their findings. docs/troubleshooting.md
// explains all of them.
const (
	CodeUnresolved   = "name-unresolved" // a name does not resolve on this machine
	CodeElsewhere    = "name-elsewhere"  // a name resolves to another machine
	CodeNoAnswer     = "name-no-answer"  // the resolver did not respond
	CodeLoopback     = "name-loopback"   // a name resolves to a loopback address
	CodeNAT          = "name-nat"        // a name resolves to an address that this machine does not have, as behind NAT
	CodeClockNotKept = "clock-unsynchronised"
	CodeClockOff     = "clock-off"
	CodeClosed       = "firewall-closed"       // the firewall blocks the port
	CodeAddress      = "address-changed"       // the machine no longer has an address in the certificate
	CodeLimited      = "firewall-limited"      // the firewall opens the port for some clients
	CodeUnsure       = "firewall-unsure"       // the rules are not conclusive
	CodeNotRenewed   = "cert-not-renewed"      // the server presents the previous certificate
	CodePacks        = "packs-not-installable" // Palette does not install some stored packs
	CodeUnreadable   = "firewall-not-asked"    // only root may read the rules
	CodeIsDir        = "file-is-directory"     // a directory is in the place of a file
	CodeNotDir       = "file-not-directory"    // a file is in the place of a directory
	CodeNotRegular   = "file-not-regular"      // a pipe, a socket or a device is in the place of a file
)
