package setup

import (
	"slices"
	"strings"
)

// FlagKind is what a flag takes.
type FlagKind string

// Kinds of flags.
const (
	FlagBool FlagKind = "bool"
	FlagText FlagKind = "text"
	FlagList FlagKind = "list" // may be given more than once
)

// Flag is one flag of "packhouse setup", and at the same time a key of the answers file.
type Flag struct {
	Name     string // without dashes
	Kind     FlagKind
	Arg      string // what it takes, for the help: "NAME"
	Usage    string
	Question string // Question.ID that it answers; empty: it says how setup runs
}

// flags stand in the order of the help.
var flags = []Flag{
	{"dir", FlagText, "DIR", "directory of the installation", ""},
	{"hostname", FlagText, "NAME", "name or address by which clients reach the registry", "hostname"},
	{"san", FlagList, "NAME_OR_IP", "further name or address in the certificate", "san"},
	{"no-san", FlagList, "NAME_OR_IP", "name or address to leave out of the certificate", "san"},
	{"addr", FlagText, "HOST:PORT", "address to listen at (default :443 where it can be bound, else :5000)", "addr"},
	{"public-url", FlagText, "URL", "URL that clients use, where it is another one", "public-url"},
	{"tls", FlagText, "MODE", "private-ca, self-signed, files, letsencrypt or off (default private-ca)", "tls"},
	{"tls-cert", FlagText, "FILE", "certificate chain, with --tls files", "cert"},
	{"tls-ca", FlagText, "FILE", "root of the CA that issued the certificate, if its file lacks the root, with --tls files", "tls-ca"},
	{"tls-key", FlagText, "FILE", "private key of the certificate, with --tls files", "key"},
	{"tls-key-password-file", FlagText, "FILE", "file with the password of an encrypted private key; setup keeps a decrypted copy of the key, mode 0600", "key-password"},
	{"acme-email", FlagText, "EMAIL", "address that the CA writes to, with --tls letsencrypt", "acme-email"},
	{"acme-directory", FlagText, "URL", "ACME directory (default Let's Encrypt)", "acme-directory"},
	{"acme-ca", FlagText, "FILE", "CA of a private directory", "acme-ca"},
	{"acme-eab-kid", FlagText, "ID", "key ID of the external account that the ACME directory requires", "acme-eab-kid"},
	{"acme-eab-key-file", FlagText, "FILE", "file with the HMAC key of the external account, base64url", "acme-eab-key"},
	{"insecure", FlagBool, "", "confirm passwords over plain HTTP beyond this machine", "insecure"},
	{"key-type", FlagText, "TYPE", "ecdsa-p256, rsa-2048 or rsa-4096 (default ecdsa-p256)", "key-type"},
	{"cert-days", FlagText, "N", "life of a new certificate in days (default 397 under the private CA, 825 self-signed)", "cert-days"},
	{"subject", FlagText, "SUBJECT", "further parts of its subject: C=,ST=,L=,O=,OU=", "subject"},
	{"ca-permit", FlagList, "NAME_OR_CIDR", "limit a new private CA to names below NAME, or addresses in CIDR (default no limit: a name outside needs a new CA that every client must trust)", "ca-permit"},
	{"rotate-cert", FlagBool, "", "make a new certificate", "rotate-cert"},
	{"new-key", FlagBool, "", "make it with a new key", "new-key"},
	{"new-ca", FlagBool, "", "sign it by a new CA", "new-ca"},
	{"drop-old-ca", FlagBool, "", "hand out the new CA only, now that every client trusts it", "drop-old-ca"},
	{"ca-key", FlagText, "FILE", "the CA's key, where it was moved away", "tls"},
	{"move-ca-key", FlagText, "FILE", "at the end, move the CA's key to FILE, a new file; pass it to --ca-key when a certificate is due", ""},
	{"admin", FlagText, "NAME", "name of the administrator (default admin)", "users"},
	{"user", FlagList, "NAME[:ROLE]", "further user: reader (default), writer or admin", "users"},
	{"remove-user", FlagList, "NAME", "user to take away", "users"},
	{"password-file", FlagList, "NAME=FILE", "file with the password of a user", "users"},
	{"password-stdin", FlagBool, "", "read lines NAME:PASSWORD from standard input", "users"},
	{"realm", FlagText, "TEXT", "what browsers show when they ask for the password", "realm"},
	{"storage", FlagText, "DRIVER", "filesystem, s3 or inmemory (default filesystem)", "storage"},
	{"storage-path", FlagText, "DIR", "directory of the content", "storage-path"},
	{"take-over-store", FlagBool, "", "take over a directory of content that belongs to another installation", "storage-path"},
	{"s3-bucket", FlagText, "NAME", "bucket of the content, with --storage s3", "s3-bucket"},
	{"s3-region", FlagText, "REGION", "its region (default of the environment, else us-east-1)", "s3-region"},
	{"s3-endpoint", FlagText, "URL", "storage engine (default AWS)", "s3-endpoint"},
	{"s3-root", FlagText, "PREFIX", "prefix of every object's name (default none)", "s3-root"},
	{"s3-access-key", FlagText, "ID", "access key (default the usual AWS chain)", "s3-access-key"},
	{"s3-secret-key-file", FlagText, "FILE", "file with its secret key, or PACKHOUSE_S3_SECRET_KEY", "s3-secret-key"},
	{"s3-path-style", FlagBool, "", "name the bucket in the path (default with --s3-endpoint)", "s3-path-style"},
	{"s3-encrypt", FlagBool, "", "let the engine encrypt", "s3-encrypt"},
	{"s3-kms-key-id", FlagText, "ID", "with this key of its KMS", "s3-kms-key-id"},
	{"s3-ca-file", FlagText, "FILE", "CA of the engine's certificate", "s3-ca-file"},
	{"s3-skip-verify", FlagBool, "", "take any certificate of the engine's", "s3-skip-verify"},
	{"confirm-inmemory", FlagBool, "", "confirm that everything is lost at restart, with --storage inmemory", "confirm-inmemory"},
	{"service", FlagText, "MANAGER", "who starts the server: systemd or none (default systemd where it runs the machine, as root, for a new installation at its usual place; else none)", "service"},
	{"run-as", FlagText, "USER", "user that it runs as, with --service systemd (default packhouse, which is made)", "run-as"},
	{"log-level", FlagText, "LEVEL", "error, warn, info or debug (default info)", "log-level"},
	{"yes", FlagBool, "", "ask nothing", ""},
	{"accessible", FlagBool, "", "ask line by line, for screen readers; so do ACCESSIBLE=1 and TERM=dumb", ""},
	{"dry-run", FlagBool, "", "say what would change and write nothing", ""},
	{"json", FlagBool, "", "print the result as JSON", ""},
	{"offline", FlagBool, "", "try nothing over the network", ""},
	{"no-start", FlagBool, "", "do not prove the result with a trial server", ""},
	{"serve", FlagBool, "", "go on serving", ""},
	{"rollback-on-failure", FlagBool, "", "go back if a check fails", ""},
}

// Flags returns every flag of "packhouse setup" that is also a key of the answers file, in the order of the help.
func Flags() []Flag { return slices.Clone(flags) }

func flagNamed(name string) (Flag, bool) {
	i := slices.IndexFunc(flags, func(f Flag) bool { return f.Name == name })
	if i < 0 {
		return Flag{}, false
	}
	return flags[i], true
}

// variable is the environment variable of a flag; empty where it has none. Those that say where the installation is or how setup runs have
// none, and neither have those of passwords.
func (f Flag) variable() string {
	if f.Question == "" || strings.HasPrefix(f.Name, "password-") {
		return ""
	}
	return "PACKHOUSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// passwordPrefix is what the variables with passwords begin with.
const passwordPrefix = "PACKHOUSE_PASSWORD_"

// PasswordVariable is the environment variable that can hold a user's password: ci-bot has PACKHOUSE_PASSWORD_CI_BOT.
func PasswordVariable(user string) string {
	return passwordPrefix + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, user)
}

// environment reads the flags' variables and those with passwords.
func environment(env []string) (values Values, passwords map[string]Secret) {
	values, passwords = Values{}, map[string]Secret{}
	named := map[string]Flag{}
	for _, f := range flags {
		if v := f.variable(); v != "" {
			named[v] = f
		}
	}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, passwordPrefix) {
			passwords[name] = Secret(value)
			continue
		}
		f, ok := named[name]
		switch {
		case !ok || value == "":
		case f.Kind == FlagList:
			values[f.Name] = splitList(value)
		default:
			values[f.Name] = []string{value}
		}
	}
	return values, passwords
}
