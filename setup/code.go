package setup

// Codes of findings. They are stable: scripts match them and docs/troubleshooting.md explains each. What certgen, config and htpasswd find
// keeps the code it has there.
const (
	CodeMissing      = "answer-missing"  // a question has no answer
	CodeValue        = "answer-value"    // not one of the permitted values, or of the wrong form
	CodeConflict     = "answer-conflict" // two answers that exclude each other
	CodeName         = "name-invalid"    // neither a DNS name nor an IP address
	CodeIDN          = "name-idn"        // note: the two forms of an internationalised name
	CodeElsewhere    = "name-elsewhere"  // warning: resolves to another machine
	CodeNoResolve    = "name-unresolved" // note: does not resolve
	CodeShortName    = "name-short"      // warning: docker reads it as the beginning of a repository's name
	CodeForeign      = "address-foreign" // note: not an address of this machine
	CodeBridge       = "address-bridge"  // warning: of a container engine's network, which other machines do not reach
	CodeAddress      = "addr-invalid"    // not host:port
	CodeNotOurs      = "addr-not-here"   // not an address of this machine
	CodePortTaken    = "port-in-use"     // another process listens there
	CodePortRight    = "port-not-permitted"
	CodeURL          = "url-invalid"
	CodePlain        = "tls-plain-http"      // passwords would cross the network as they are
	CodeUnread       = "file-unreadable"     // a file that an answer names cannot be read
	CodeIsDir        = "file-is-directory"   // a directory in the place of a file
	CodeOpenKey      = "key-readable-by-all" // others on this machine can read the private key
	CodeCAKey        = "ca-key-missing"      // the CA's key was moved away, and a certificate is due
	CodeCALimits     = "ca-limits"           // a name outside the limits of the CA, or other limits than it has
	CodeLongLife     = "cert-days"           // warning: some clients refuse such a long life
	CodeCloseEnd     = "cert-close-to-end"   // warning: the certificate in use should be renewed
	CodeRepeated     = "cert-repeated"       // note: the file holds a certificate twice
	CodePrivateRoot  = "cert-private-root"   // note: clients need the root of a private CA
	CodeShortLife    = "cert-shorter"        // warning: the CA ends before the life that was asked for
	CodeStaging      = "acme-staging"        // note: no client trusts what the staging directory signs
	CodeUnreached    = "acme-unreachable"    // the ACME directory does not answer
	CodeEAB          = "acme-account"        // the ACME directory requires an external account
	CodeChallenge    = "acme-challenge"      // warning: the CA will not reach this server
	CodeUser         = "user-name"
	CodePassword     = "password-refused"
	CodeShared       = "password-variable-shared" // two users would share one variable
	CodeNobody       = "password-for-nobody"      // a password for a user that does not exist
	CodeNoAdmin      = "users-no-admin"
	CodeInMemory     = "storage-inmemory"     // everything is lost at restart
	CodePath         = "storage-path"         // not a usable directory
	CodeForeignStore = "storage-foreign"      // holds something else than a store
	CodeTmpfs        = "storage-tmpfs"        // lost when the machine restarts
	CodeSpace        = "storage-space"        // under 1 GiB free
	CodeInodes       = "storage-inodes"       // no file can be made
	CodeRoot         = "storage-root-disk"    // note: a separate mount is advised
	CodeSmall        = "machine-small"        // note: under one processor or 2 GB
	CodeDir          = "dir-not-writable"     // the installation's directory
	CodeHalfDone     = "installation-half"    // an earlier run was cut off
	CodeBroken       = "installation-broken"  // what is there cannot be read
	CodeEdit         = "installation-edit"    // a line of myconfig.yml that cannot be changed safely
	CodeFailed       = "setup-failed"         // the operating system refused something
	CodeChanged      = "installation-changed" // a file changed while the plan was made
	CodeBusy         = "installation-busy"    // another command is changing the installation
	CodeNoBackup     = "rollback-nothing"     // nothing to go back to
	CodeService      = "service-unit"         // the unit belongs to another installation
	CodeRunAs        = "service-user"         // no user to run as, or one that cannot read what it must
	CodeNoManifest   = "uninstall-nothing"    // no list of what setup wrote
	CodeEnvironment  = "environment-server"   // warning: variables that change what a server does
	CodeOpenFiles    = "machine-open-files"   // this process may open too few files
	CodeStoreBlocked = "storage-blocked"      // a file is in the place of a directory of the store
	CodeStoreOwned   = "storage-owned"        // another installation owns the store
	CodeStoreBusy    = "storage-in-use"       // the server of another installation runs on the store
	CodeDrift        = "installation-drift"   // note: files differ from what setup wrote
)
