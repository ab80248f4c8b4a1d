package question

import (
	"slices"
	"strings"
)

// FlagKind is the type of a flag's value.
type FlagKind string

// Kinds of flags.
const (
	FlagBool FlagKind = "bool"
	FlagText FlagKind = "text"
	FlagList FlagKind = "list" // may be given more than once
)

// Flag is a flag of "packhouse setup", and a key of the answers file.
type Flag struct {
	Name     string // without dashes
	Kind     FlagKind
	Arg      string // placeholder of the value in the help: "NAME"
	Usage    string
	Question string // ID of the question it answers; empty: it controls how setup runs
}

// flags are in the order of the help.
var flags = []Flag{
	{"dir", FlagText, "DIR", "installation directory", ""},
	{"hostname", FlagText, "NAME", "host name or IP address that clients use to reach the registry", "hostname"},
	{"san", FlagList, "NAME_OR_IP", "additional name or IP address for the certificate", "san"},
	{"no-san", FlagList, "NAME_OR_IP", "name or IP address to leave out of the certificate", "san"},
	{"addr", FlagText, "HOST:PORT", "address to listen on (default :443 where it can be bound, else :5000)", "addr"},
	{
		"public-url", FlagText, "URL",
		"URL that clients use, if it differs from the host name and port (load balancer, NAT)",
		"public-url",
	},
	{
		"tls", FlagText, "MODE",
		"certificate source: private-ca, self-signed, files, letsencrypt or off (default private-ca)",
		"tls",
	},
	{"tls-cert", FlagText, "FILE", "certificate chain to serve, with --tls files", "cert"},
	{
		"tls-ca", FlagText, "FILE",
		"root certificate of the CA that issued --tls-cert, if that file does not contain it",
		"tls-ca",
	},
	{"tls-key", FlagText, "FILE", "private key of --tls-cert", "key"},
	{
		"tls-key-password-file", FlagText, "FILE",
		"file with the password of an encrypted --tls-key; setup stores a decrypted copy of the key, mode 0600",
		"key-password",
	},
	{
		"acme-email", FlagText, "EMAIL",
		"e-mail address of the ACME account, to which the CA may send warnings; with --tls letsencrypt",
		"acme-email",
	},
	{"acme-directory", FlagText, "URL", "URL of the ACME directory (default Let's Encrypt)", "acme-directory"},
	{
		"acme-ca", FlagText, "FILE",
		"CA certificate that the ACME directory's own HTTPS certificate is verified with, for a private directory (default the CAs of the system)",
		"acme-ca",
	},
	{"acme-eab-kid", FlagText, "ID", "key ID of the external account that the ACME directory requires", "acme-eab-kid"},
	{
		"acme-eab-key-file", FlagText, "FILE",
		"file with the HMAC key of the external account that the ACME directory requires, base64url",
		"acme-eab-key",
	},
	{"insecure", FlagBool, "", "accept passwords over plain HTTP from other machines", "insecure"},
	{
		"key-type", FlagText, "TYPE",
		"type of the certificate's key: ecdsa-p256, rsa-2048 or rsa-4096 (default ecdsa-p256)",
		"key-type",
	},
	{
		"cert-days", FlagText, "N",
		"validity of a new certificate in days (default 397 from the private CA, 825 self-signed)",
		"cert-days",
	},
	{"subject", FlagText, "SUBJECT", "additional fields of the certificate's subject: C=,ST=,L=,O=,OU=", "subject"},
	{
		"ca-permit", FlagList, "NAME_OR_CIDR",
		"limit a new private CA to names below NAME, or addresses in CIDR (default no limit: a name outside needs a new CA that every client must trust)",
		"ca-permit",
	},
	{"rotate-cert", FlagBool, "", "issue a new certificate now", "rotate-cert"},
	{"new-key", FlagBool, "", "create a new private key for the certificate (implies --rotate-cert)", "new-key"},
	{
		"new-ca", FlagBool, "",
		"create a new private CA and issue the certificate from it (implies --rotate-cert); clients must trust the new CA",
		"new-ca",
	},
	{
		"drop-old-ca", FlagBool, "",
		"stop handing out the previous CA; use it after --new-ca, when every client trusts the new CA",
		"drop-old-ca",
	},
	{"ca-key", FlagText, "FILE", "private CA's key, if it was moved out of the installation directory", "tls"},
	{
		"move-ca-key", FlagText, "FILE",
		"move the private CA's key to FILE, a new file, when setup is done; pass it to --ca-key when the certificate is due",
		"",
	},
	{"admin", FlagText, "NAME", "name of the administrator (default admin)", "users"},
	{"user", FlagList, "NAME[:ROLE]", "additional user: reader (default), writer or admin", "users"},
	{"remove-user", FlagList, "NAME", "user to remove", "users"},
	{"password-file", FlagList, "NAME=FILE", "file with the password of a user", "users"},
	{"password-stdin", FlagBool, "", "read lines NAME:PASSWORD from standard input", "users"},
	{"realm", FlagText, "TEXT", "realm that browsers show when they ask for the password", "realm"},
	{"storage", FlagText, "DRIVER", "storage driver: filesystem, s3 or inmemory (default filesystem)", "storage"},
	{"storage-path", FlagText, "DIR", "storage directory, with --storage filesystem", "storage-path"},
	{
		"take-over-store", FlagBool, "",
		"take over a storage directory that belongs to another installation, which must no longer serve it",
		"take-over-store",
	},
	{"s3-bucket", FlagText, "NAME", "S3 bucket that stores the content, with --storage s3", "s3-bucket"},
	{"s3-region", FlagText, "REGION", "S3 region (default from the environment, else us-east-1)", "s3-region"},
	{"s3-endpoint", FlagText, "URL", "URL of S3-compatible storage (default AWS)", "s3-endpoint"},
	{"s3-root", FlagText, "PREFIX", "prefix of every S3 object key (default none)", "s3-root"},
	{"s3-access-key", FlagText, "ID", "S3 access key ID (default the AWS credential chain)", "s3-access-key"},
	{
		"s3-secret-key-file", FlagText, "FILE",
		"file with the S3 secret access key; the variable PACKHOUSE_S3_SECRET_KEY can hold the key instead",
		"s3-secret-key",
	},
	{
		"s3-path-style", FlagBool, "",
		"address the S3 bucket by path, not by host name (default with --s3-endpoint)",
		"s3-path-style",
	},
	{"s3-encrypt", FlagBool, "", "encrypt S3 objects on the server side", "s3-encrypt"},
	{
		"s3-kms-key-id", FlagText, "ID",
		"ID of the KMS key that encrypts S3 objects (implies --s3-encrypt)",
		"s3-kms-key-id",
	},
	{
		"s3-ca-file", FlagText, "FILE",
		"CA certificate that the S3 endpoint is verified with (default the CAs of the system)",
		"s3-ca-file",
	},
	{"s3-skip-verify", FlagBool, "", "accept any certificate of the S3 endpoint", "s3-skip-verify"},
	{
		"confirm-inmemory", FlagBool, "",
		"confirm that a restart loses all content, with --storage inmemory",
		"confirm-inmemory",
	},
	{
		"service", FlagText, "MANAGER",
		"service manager that runs the server: systemd or none (default systemd on a machine that runs it, as root, for a new installation in the default directory; else none)",
		"service",
	},
	{
		"run-as", FlagText, "USER",
		"user that runs the server, with --service systemd (default packhouse, which setup creates)",
		"run-as",
	},
	{"log-level", FlagText, "LEVEL", "log level: error, warn, info or debug (default info)", "log-level"},
	{"yes", FlagBool, "", "ask no questions", ""},
	{"accessible", FlagBool, "", "ask line by line, for screen readers (default with ACCESSIBLE=1 or TERM=dumb)", ""},
	{"dry-run", FlagBool, "", "print what would change and write nothing", ""},
	{"json", FlagBool, "", "print the result as JSON", ""},
	{"offline", FlagBool, "", "do not use the network", ""},
	{"no-start", FlagBool, "", "do not check the result with a trial server", ""},
	{"serve", FlagBool, "", "run the server in the foreground when setup is done", ""},
	{"rollback-on-failure", FlagBool, "", "restore the previous files if a check fails", ""},
}

// Flags returns every flag of "packhouse setup" that is also a key of the answers file, in the
// order of the help.
func Flags() []Flag { return slices.Clone(flags) }

func FlagNamed(name string) (Flag, bool) {
	i := slices.IndexFunc(flags, func(f Flag) bool { return f.Name == name })
	if i < 0 {
		return Flag{}, false
	}
	return flags[i], true
}

// Variable returns the environment variable of a flag, or "" if it has none, as for password flags
// and for flags that select the installation or control how setup runs.
func (f Flag) Variable() string {
	if f.Question == "" || strings.HasPrefix(f.Name, "password-") {
		return ""
	}
	return "PACKHOUSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}
