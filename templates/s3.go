package templates

// S3 is a bucket in myconfig.yml.
type S3 struct {
	Bucket    string
	Region    string
	Root      string // empty: none
	Endpoint  string // URL; empty: AWS
	Plain     bool   // the URL is one of http
	PathStyle bool
	AccessKey string // empty: the usual AWS chain
	SecretKey string // the only secret that is ever rendered
	Encrypt   bool
	KeyID     string // empty: the engine's own
	CAFile    string // empty: what the machine trusts

	SkipVerify bool
}
