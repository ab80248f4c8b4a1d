package certgen

// Codes of problems. They are stable: scripts match them and the troubleshooting guide lists them.
const (
	CodeMissing      = "cert-missing"           // there is no certificate
	CodeNotPEM       = "cert-not-pem"           // a file is not PEM, or damaged
	CodeNotCert      = "cert-not-a-certificate" // PEM of something else
	CodeNotKey       = "cert-not-a-key"         // the key file holds no usable key
	CodeKeyInCert    = "cert-holds-key"         // the certificate file holds a private key
	CodeKeyEncrypted = "cert-key-encrypted"     // the key needs a passphrase
	CodeKeyMismatch  = "cert-key-mismatch"      // the key does not fit the certificate
	CodeWeakKey      = "cert-weak-key"          // RSA under 2048 bits
	CodeExpired      = "cert-expired"           // a certificate of the chain is past its end
	CodeNotYetValid  = "cert-not-yet-valid"     // a certificate of the chain has not begun
	CodeOrder        = "cert-chain-order"       // the server's certificate is not first, or the chain is shuffled
	CodeIncomplete   = "cert-chain-incomplete"  // a link between the certificate and the trusted ones is missing
	CodeUntrusted    = "cert-untrusted"         // the chain is whole, and ends where clients do not trust
	CodeNoNames      = "cert-no-san"            // only a common name, which clients ignore
	CodeName         = "cert-name-not-covered"  // a name that clients use is missing
	CodeIPAsDNS      = "cert-ip-as-dns"         // an address is among the DNS names, where clients do not look for it
	CodePurpose      = "cert-not-for-servers"   // the key usages exclude servers
	CodeCAExpired    = "ca-expired"             // the private CA is expired
	CodeCACloseEnd   = "ca-close-to-end"        // warning: the private CA expires within 30 days
	CodeCAEndsFirst  = "ca-ends-first"          // warning: the private CA expires before the certificate
	CodeRefused      = "cert-refused"           // clients refuse it for another reason, which the message names
	CodeLongLife     = "cert-long-life"         // warning: over 825 days
	CodeCAAsServer   = "cert-ca-as-server"      // warning: a CA serves as the server's certificate
)

// maxServerLifeDays is the most that Apple's clients accept of a private authority (support.apple.com/en-us/103769).
const maxServerLifeDays = 825
