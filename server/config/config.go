package config

import "time"

// Config is the effective configuration of a server: the file, the REGISTRY_* variables and the defaults put together. It is a plain
// value; a loaded one is never changed afterwards. The zero value of a field means what its comment says.
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
}

// Log is the section log.
type Log struct {
	Level     string            // error, warn, info or debug; default info
	Formatter string            // text or json; default text
	Fields    map[string]string // put on every line
	AccessLog AccessLog
	Audit     Audit
}

// AccessLog is the log of requests.
type AccessLog struct {
	Disabled bool // default false: requests are logged
}

// Audit is the log of who did what, in JSON lines.
type Audit struct {
	Path string // a file, or "-" for standard output; empty: off
}

// Names of storage drivers.
const (
	Filesystem = "filesystem"
	InMemory   = "inmemory"
	S3         = "s3"
)

// Storage says where content is kept and how it is looked after.
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
	RegionEndpoint string // URL or host:port of the engine; empty: AWS
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

// Delete allows deletion at all; roles decide who may.
type Delete struct {
	Enabled bool // default true
}

// Redirect sends readers of blobs to presigned addresses of the engine.
type Redirect struct {
	Disable bool // default true
}

// Maintenance is the upkeep of the store.
type Maintenance struct {
	UploadPurging UploadPurging
	ReadOnly      ReadOnly
	GC            GC
	Scrub         Scrub
}

// UploadPurging removes uploads that nobody finished.
type UploadPurging struct {
	Enabled  bool          // default true
	Age      time.Duration // default 168h
	Interval time.Duration // default 24h
	DryRun   bool
}

// ReadOnly refuses every change.
type ReadOnly struct {
	Enabled bool
}

// GC is the online garbage collection.
type GC struct {
	Interval time.Duration // default 24h; 0: only on demand
	Window   time.Duration // what was touched within it stays; default 2h
	Untagged time.Duration // age at which a manifest that lost its tag goes; 0: never
}

// Scrub is the slow verification of everything stored.
type Scrub struct {
	Interval time.Duration // default 168h; 0: only on demand
	Rate     int64         // bytes a second; default 20 MiB
}

// HTTP is the section http.
type HTTP struct {
	Addr           string // host:port, or a path with Net "unix"; default :5000
	Net            string // tcp or unix; default tcp
	Host           string // public base URL; used where an absolute URL cannot be avoided
	Prefix         string // path before every route; default /
	RelativeURLs   bool   // default true
	DrainTimeout   time.Duration
	Insecure       bool // confirms plain HTTP or no authentication beyond loopback
	Secret         Secret
	Headers        map[string][]string // canonical names; the effective set, defaults included
	Limits         Limits
	TLS            TLS
	HTTP2Disabled  bool
	H2CEnabled     bool
	Debug          Debug
	TrustedProxies []string // CIDR; only these may set X-Forwarded-*
}

// Limits bound what clients may take.
type Limits struct {
	UploadsPerUser int           // default 32
	Connections    int           // default 10000
	HeaderBytes    int           // default 64 KiB
	StallTimeout   time.Duration // no byte moved for this long ends a request; default 60s
}

// TLS is the server's certificate and what it asks of clients.
type TLS struct {
	Certificate  string // PEM file, leaf first
	Key          string // PEM file
	ClientCAs    []string
	ClientAuth   string   // request-client-cert, require-any-client-cert, verify-client-cert-if-given, require-and-verify-client-cert
	MinimumTLS   string   // tls1.2 (default) or tls1.3
	CipherSuites []string // empty: Go's choice
	LetsEncrypt  LetsEncrypt
}

// Enabled tells whether the server speaks TLS.
func (t TLS) Enabled() bool { return t.Certificate != "" || t.LetsEncrypt.Enabled() }

// LetsEncrypt orders certificates from an ACME directory (RFC 8555).
type LetsEncrypt struct {
	CacheFile    string // a directory, or "storage:" and a folder of the storage
	Email        string
	Hosts        []string
	DirectoryURL string // empty: Let's Encrypt, production
	CAFile       string // roots of a private directory
	HTTPAddr     string // listener for HTTP-01; empty: off
	EABKeyID     string // key ID of the external account (RFC 8555, section 7.3.4); empty: none
	EABKeyFile   string // file with its HMAC key, base64url
}

// Enabled tells whether certificates come from ACME.
func (l LetsEncrypt) Enabled() bool { return l.CacheFile != "" || len(l.Hosts) > 0 || l.Email != "" }

// Debug is the second listener: metrics and profiles.
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

// Auth says who may come in.
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

// Roles lists who is more than a reader.
type Roles struct {
	Admin  []string // default: the user "admin"
	Writer []string
}

// Rule grants a role on some repositories.
type Rule struct {
	Repositories string // glob over whole path segments: "team-a/**"
	Users        []string
	Role         string // reader, writer or admin
}

// Lockout slows down the guessing of passwords.
type Lockout struct {
	Attempts int           // distinct wrong passwords before comparisons are paced; default 10
	Window   time.Duration // without further failures, after which they are forgotten; default 5m
	Delay    time.Duration // between two comparisons, at first; default 1s
	MaxDelay time.Duration // the delay doubles up to this; default Delay
}

// Packs is the pack view.
type Packs struct {
	Base      string // path before spectro-packs/archive; default empty
	Overwrite string // deny, force (default) or allow
}

// Health is what /health looks at beside itself.
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

// HTTPHealth fails while a URL does not answer as it should.
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

// Secret is text that must never be seen. It prints, logs and marshals as REDACTED.
type Secret string

// String implements fmt.Stringer.
func (s Secret) String() string { return "REDACTED" }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return "REDACTED" }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// Reveal returns the text itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }
