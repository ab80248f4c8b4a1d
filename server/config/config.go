package config

import "time"

// Config is the effective configuration of a server: the file, the REGISTRY_* variables and the
// defaults combined. It is not modified after loading. Comments on fields state the meaning of zero
// values.
type Config struct {
	Version       string // format of the file, always "0.1"
	Log           Log
	Storage       Storage
	HTTP          HTTP
	Auth          Auth
	Packs         Packs
	Health        Health
	Notifications Notifications
	Validation    Validation
}

// Validation holds the rules that pushed manifests must follow.
type Validation struct {
	Disabled bool
	Allow    []string // regular expressions; with any, a URL must match one of them
	Deny     []string // regular expressions; a URL must match none of them
	Sparse   string   // "refuse" (default) or "allow": manifests whose blobs are missing
}

// Log is the log section.
type Log struct {
	Level     string            // error, warn, info or debug; default info
	Formatter string            // text or json; default text
	Fields    map[string]string // added to every line
	AccessLog AccessLog
	Audit     Audit
}

// AccessLog configures the request log.
type AccessLog struct {
	Disabled bool // default false: requests are logged
}

// Audit configures the audit log, in JSON lines.
type Audit struct {
	Path string // a file, or "-" for standard output; empty: off
}

// Names of storage drivers.
const (
	Filesystem = "filesystem"
	InMemory   = "inmemory"
	S3         = "s3"
)

// Storage configures where content is stored and how it is maintained.
type Storage struct {
	Driver      string // Filesystem, InMemory or S3
	Filesystem  FilesystemStorage
	S3          S3Storage
	Delete      Delete
	Redirect    Redirect
	Maintenance Maintenance
}

// FilesystemStorage is a directory in the layout of CNCF distribution.
type FilesystemStorage struct {
	RootDirectory string // default /data/.spectro-server
}

// S3Storage is a bucket in the layout of CNCF distribution.
type S3Storage struct {
	Region         string
	Bucket         string
	RootDirectory  string
	AccessKey      string
	SecretKey      Secret
	SessionToken   Secret
	RegionEndpoint string // URL or host:port of the S3 endpoint; empty: AWS
	ForcePathStyle bool
	Secure         bool // https; default true
	SkipVerify     bool
	Encrypt        bool
	KeyID          string
	ChunkSize      int64 // bytes of one part; default 10 MiB
	StorageClass   string
	CAFile         string
	MaxRetries     int   // default 5
	UploadMemory   int64 // bytes held by uploads at once; default 64 MiB
}

// Delete enables deletion; roles determine who may delete.
type Delete struct {
	Enabled bool // default true
}

// Redirect configures redirects of blob reads to presigned URLs of the bucket.
type Redirect struct {
	Disable    bool  // default true
	ProxyBelow int64 // bytes; smaller blobs are served by this server, with all headers of the specification
}

// Maintenance configures the maintenance of the store.
type Maintenance struct {
	UploadPurging UploadPurging
	ReadOnly      ReadOnly
	GC            GC
	Scrub         Scrub
}

// UploadPurging removes abandoned upload sessions.
type UploadPurging struct {
	Enabled  bool          // default true
	Age      time.Duration // default 168h
	Interval time.Duration // default 24h
	DryRun   bool
}

// ReadOnly rejects every change.
type ReadOnly struct {
	Enabled bool
}

// GC configures online garbage collection.
type GC struct {
	Interval time.Duration // default 24h; 0: only on demand
	Window   time.Duration // minimum age before removal; default 2h
	Untagged time.Duration // age at which untagged manifests are removed; 0: never
}

// Scrub configures the background verification of all content.
type Scrub struct {
	Interval time.Duration // default 168h; 0: only on demand
	Rate     int64         // bytes a second; default 20 MiB
}

// HTTP is the http section.
type HTTP struct {
	Addr           string // host:port, or a path with Net "unix"; default :5000
	Net            string // tcp or unix; default tcp
	Host           string // public base URL; used only where an absolute URL is required
	Prefix         string // path before every route; default /
	RelativeURLs   bool   // default true
	DrainTimeout   time.Duration
	Insecure       bool // confirms plain HTTP or no authentication beyond loopback
	Secret         Secret
	Headers        map[string][]string // by canonical name; the effective set, including defaults
	Limits         Limits
	TLS            TLS
	HTTP2Disabled  bool
	H2CEnabled     bool
	Debug          Debug
	TrustedProxies []string // CIDR; only these may set X-Forwarded-*
}

// Limits bounds the resources of clients.
type Limits struct {
	UploadsPerUser int           // uploads in progress; 0: only limited by memory and disk
	Connections    int           // default 10000
	Requests       int           // granted at once; default 1200
	HeaderBytes    int           // default 16 KiB
	StallTimeout   time.Duration // a response without progress for this long is ended; default 60s

	BodyStallTimeout time.Duration // a request without a byte of its body for this long is ended; default 5m
	BodyRate         int           // bytes per second, over a minute, below which a body is ended; default 128
}

// TLS configures the server's certificate and client authentication.
type TLS struct {
	Certificate  string // PEM file, leaf first
	Key          string // PEM file
	ClientCAs    []string
	ClientAuth   string   // request-client-cert, require-any-client-cert, verify-client-cert-if-given, require-and-verify-client-cert
	MinimumTLS   string   // tls1.2 (default) or tls1.3
	CipherSuites []string // empty: the server's defaults
	LetsEncrypt  LetsEncrypt
}

// Enabled reports whether the server uses TLS.
func (t TLS) Enabled() bool { return t.Certificate != "" || t.LetsEncrypt.Enabled() }

// LetsEncrypt orders certificates from an ACME directory (RFC 8555).
type LetsEncrypt struct {
	CacheFile    string // a directory, or "storage:" and a folder of the storage
	Email        string
	Hosts        []string
	DirectoryURL string // empty: Let's Encrypt, production
	CAFile       string // roots for a private ACME directory
	HTTPAddr     string // listener for HTTP-01; empty: off
	EABKeyID     string // key ID of the external account (RFC 8555, section 7.3.4); empty: none
	EABKeyFile   string // file with its HMAC key, base64url
}

// Enabled reports whether certificates come from ACME.
func (l LetsEncrypt) Enabled() bool { return l.CacheFile != "" || len(l.Hosts) > 0 || l.Email != "" }

// Debug configures the debug listener for metrics and profiles.
type Debug struct {
	Addr           string // empty: off
	Prometheus     bool
	PrometheusPath string // default /metrics
}

// Authentication methods.
const (
	AuthNone     = "none"
	AuthHtpasswd = "htpasswd"
)

// Auth configures authentication.
type Auth struct {
	Method   string // AuthHtpasswd or AuthNone
	Htpasswd Htpasswd
}

// Htpasswd is HTTP Basic authentication (RFC 7617) against a file of bcrypt hashes.
type Htpasswd struct {
	Realm       string
	Path        string
	Roles       Roles
	Rules       []Rule
	Lockout     Lockout
	ClientNames map[string]string // name in a client certificate → user
}

// Roles lists the users with more than the reader role.
type Roles struct {
	Admin  []string // default: the user "admin"
	Writer []string
}

// Rule grants a role in some repositories.
type Rule struct {
	Repositories string // glob over whole path segments: "team-a/**"
	Users        []string
	Role         string // reader, writer or admin
}

// EveryUser in the users of a [Rule] means every user with a password.
const EveryUser = "*"

// Lockout slows down the guessing of passwords.
type Lockout struct {
	Attempts int           // distinct wrong passwords before comparisons are paced; default 10
	Window   time.Duration // time without further failures after which they are forgotten; default 5m
	Delay    time.Duration // between two comparisons, at first; default 1s
	MaxDelay time.Duration // the delay doubles up to this; default Delay
}

// Packs configures the pack view.
type Packs struct {
	Base      string // path before spectro-packs/archive; default empty
	Overwrite string // deny, force (default) or allow
}

// Health configures the checks behind /health.
type Health struct {
	StorageDriver StorageHealth
	File          []FileHealth
	HTTP          []HTTPHealth
	TCP           []TCPHealth
}

// StorageHealth probes the storage by writing.
type StorageHealth struct {
	Enabled   bool // default true
	Interval  time.Duration
	Threshold int
}

// FileHealth fails while a file exists.
type FileHealth struct {
	File     string
	Interval time.Duration
}

// HTTPHealth fails while a URL does not respond as expected.
type HTTPHealth struct {
	URI        string
	Headers    map[string][]string
	StatusCode int
	Timeout    time.Duration
	Interval   time.Duration
	Threshold  int
}

// TCPHealth fails while an address does not accept a connection.
type TCPHealth struct {
	Addr      string
	Timeout   time.Duration
	Interval  time.Duration
	Threshold int
}

// Notifications are webhooks about pushes, pulls and deletions.
type Notifications struct {
	IncludeReferences bool
	Endpoints         []Endpoint
}

// Endpoint is one webhook.
type Endpoint struct {
	Name             string
	Disabled         bool
	URL              string
	Headers          map[string][]string
	Timeout          time.Duration // default 1s
	Threshold        int           // failures before backing off; default 10
	Backoff          time.Duration // default 1s
	IgnoreMediaTypes []string
	IgnoreActions    []string
}

// Secret is a string that must not be disclosed. It prints, logs and marshals as REDACTED.
type Secret string

// String implements fmt.Stringer.
func (s Secret) String() string { return "REDACTED" }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return "REDACTED" }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// Reveal returns the secret text.
func (s Secret) Reveal() string { return string(s) }
