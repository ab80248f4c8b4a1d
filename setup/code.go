package setup

// Codes of findings. They are stable: scripts match them and docs/troubleshooting.md explains each.
// Findings of certgen, config and htpasswd keep their codes.
const (
	CodeMissing      = "answer-missing"  // a question has no answer
	CodeValue        = "answer-value"    // not a permitted value, or malformed
	CodeConflict     = "answer-conflict" // mutually exclusive answers
	CodeName         = "name-invalid"    // neither a DNS name nor an IP address
	CodeIDN          = "name-idn"        // note: an internationalized name and its ASCII form
	CodeElsewhere    = "name-elsewhere"  // warning: resolves to another machine
	CodeNoResolve    = "name-unresolved" // note: does not resolve
	CodeShortName    = "name-short"      // warning: docker parses it as part of a repository name
	CodeForeign      = "address-foreign" // note: not an address of this machine
	CodeBridge       = "address-bridge"  // warning: on a container network, which other machines cannot reach
	CodeAddress      = "addr-invalid"    // not host:port
	CodeNotOurs      = "addr-not-here"   // not an address of this machine
	CodePortTaken    = "port-in-use"     // another process listens there
	CodePortRight    = "port-not-permitted"
	CodeURL          = "url-invalid"
	CodePlain        = "tls-plain-http"      // passwords would be sent unencrypted
	CodeUnread       = "file-unreadable"     // a file in an answer cannot be read
	CodeIsDir        = "file-is-directory"   // a directory where a file is expected
	CodeOpenKey      = "key-readable-by-all" // others on this machine can read the private key
	CodeCAKey        = "ca-key-missing"      // the CA's key was moved away, and a certificate is due
	CodeCALimits     = "ca-limits"           // a name outside the CA's limits, or limits that differ from the CA's
	CodeLongLife     = "cert-days"           // warning: some clients refuse lifetimes that long
	CodeCloseEnd     = "cert-close-to-end"   // warning: the certificate in use should be renewed
	CodeRepeated     = "cert-repeated"       // note: the file holds a certificate twice
	CodePrivateRoot  = "cert-private-root"   // note: clients need the root of a private CA
	CodeShortLife    = "cert-shorter"        // warning: the CA expires before the requested lifetime ends
	CodeStaging      = "acme-staging"        // note: clients do not trust certificates of the staging directory
	CodeUnreached    = "acme-unreachable"    // the ACME directory does not respond
	CodeEAB          = "acme-account"        // the ACME directory requires an external account
	CodeChallenge    = "acme-challenge"      // warning: the CA cannot reach this server
	CodeUser         = "user-name"
	CodeUserRules    = "user-rules" // warning: a rule gives a user more than the role
	CodePassword     = "password-refused"
	CodeShared       = "password-variable-shared" // two users would share one variable
	CodeNobody       = "password-for-nobody"      // a password for a user that does not exist
	CodeNoAdmin      = "users-no-admin"
	CodeInMemory     = "storage-inmemory"     // everything is lost at restart
	CodePath         = "storage-path"         // not a usable directory
	CodeForeignStore = "storage-foreign"      // contains something other than a store
	CodeTmpfs        = "storage-tmpfs"        // lost when the machine restarts
	CodeSpace        = "storage-space"        // under 1 GiB free
	CodeInodes       = "storage-inodes"       // no inodes left
	CodeRoot         = "storage-root-disk"    // note: a separate mount is advised
	CodeSmall        = "machine-small"        // note: under one processor or 2 GB
	CodeDir          = "dir-not-writable"     // the installation directory cannot be written
	CodeHalfDone     = "installation-half"    // an earlier run was interrupted
	CodeBroken       = "installation-broken"  // the installation cannot be read
	CodeEdit         = "installation-edit"    // a line of myconfig.yml that cannot be changed safely
	CodeFailed       = "setup-failed"         // the operating system refused something
	CodeChanged      = "installation-changed" // a file changed while the plan was made
	CodeBusy         = "installation-busy"    // another command is changing the installation
	CodeNoBackup     = "rollback-nothing"     // no backup to restore
	CodeService      = "service-unit"         // the unit belongs to another installation
	CodeRunAs        = "service-user"         // no user to run as, or one that cannot read required files
	CodeNoManifest   = "uninstall-nothing"    // no manifest
	CodeEnvironment  = "environment-server"   // warning: variables that change the server's behavior
	CodeOpenFiles    = "machine-open-files"   // the open-file limit is too low
	CodeStoreBlocked = "storage-blocked"      // a file is where the store needs a directory
	CodeStoreOwned   = "storage-owned"        // another installation owns the store
	CodeStoreBusy    = "storage-in-use"       // the server of another installation is using the store
	CodeDrift        = "installation-drift"   // note: files differ from what setup wrote
)
