package question

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/pattern"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/machine"
)

// InBucket reports whether content is stored in a bucket.
func InBucket(a *Answers) bool { return a.Storage == config.S3 }

func s3EndpointQuestion() *Question {
	return &Question{
		ID: "s3-endpoint", Step: "storage", Turn: 1, Title: "S3 service", Asked: InBucket,
		Flags: []Flag{textFlag("s3-endpoint", "URL", "URL of S3-compatible storage (default AWS)")},
		Ask:   "At which URL is the S3 service?", Empty: "AWS",
		Help: "Empty means AWS. Other S3-compatible storage, such as MinIO, Ceph RGW or versitygw, has its own " +
			"URL, with the port and without the bucket: https://minio.example:9000. The server sends a request " +
			"for every layer, so choose one nearby.",
		Validate: validateEndpoint,
		Answer:   func(a *Answers) *string { return &a.S3.RegionEndpoint },
		Changed: func(a *Answers, before string) {
			if (before == "") != (a.S3.RegionEndpoint == "") { // other services rarely have a host name per bucket
				a.S3.ForcePathStyle = a.S3.RegionEndpoint != ""
			}
		},
	}
}

func validateEndpoint(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
	endpoint := a.S3.RegionEndpoint
	if endpoint == "" || a.InstalledS3() != nil && endpoint == a.InstalledS3().RegionEndpoint {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return refused(setup.CodeURL, fmt.Sprintf("%q is not the URL of an S3 service", setup.Clip(endpoint)),
			"write it like https://minio.example:9000, without the bucket")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" &&
		(err != nil || !addr.IsLoopback()) {
		return warned(CodeS3Plain,
			"without TLS contents can be read and changed on the way to the S3 service; the secret key cannot be read",
			"use https:// where the S3 service has a certificate")
	}
	return nil
}

func s3CAQuestion() *Question {
	return &Question{
		ID: "s3-ca-file", Step: "storage", Turn: 2, Title: "CA of the S3 service", Kind: Path,
		Belongs: "--storage s3 with an S3 service at https://",
		Flags: []Flag{textFlag("s3-ca-file", "FILE",
			"CA certificate that the S3 endpoint is verified with (default the CAs of the system)")},
		Ask: "Which CA has signed the certificate of the S3 service?", Empty: "one that this machine trusts",
		Help: "A PEM file. Needed if the certificate of the S3 endpoint comes from a private CA that this machine " +
			"does not trust; otherwise leave it empty.",
		Asked:        func(a *Answers) bool { return InBucket(a) && strings.HasPrefix(a.S3.RegionEndpoint, "https://") },
		Certificates: true,
		Answer:       func(a *Answers) *string { return &a.S3.CAFile },
	}
}

func s3SkipVerifyQuestion() *Question {
	return &Question{
		ID: "s3-skip-verify", Step: "storage", Turn: 2, Title: "Any certificate", Advanced: true,
		Flags: []Flag{boolFlag("s3-skip-verify", "accept any certificate of the S3 endpoint")},
		Ask:   "Take any certificate of the S3 service's?",
		Help: "Anyone between this machine and the S3 endpoint can then impersonate it, and read and change " +
			"content. Naming its CA is as easy.",
		Asked: func(a *Answers) bool { return InBucket(a) && !strings.HasPrefix(a.S3.RegionEndpoint, "http://") },
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if a.S3.SkipVerify {
				return []finding.Finding{setup.Warn(CodeS3Unverified,
					"the S3 service's certificate is not verified: anyone on the network path can pretend to be it", "").
					WithRemedy(finding.Textf("name its CA %s instead", withFlag("--s3-ca-file", "")))}
			}
			return nil
		},
		Confirms: func(a *Answers) *bool { return &a.S3.SkipVerify },
	}
}

func s3PathStyleQuestion() *Question {
	return &Question{
		ID: "s3-path-style", Step: "storage", Turn: 3, Title: "Path style", Asked: InBucket, Advanced: true,
		Flags: []Flag{boolFlag("s3-path-style",
			"address the S3 bucket by path, not by host name (default with --s3-endpoint)")},
		Ask: "Name the bucket in the path?",
		Help: "AWS has a host name for every bucket. Most other S3-compatible storage has one host name, and the " +
			"bucket is part of the path. With the wrong setting, the endpoint or the bucket is not found.",
		Confirms: func(a *Answers) *bool { return &a.S3.ForcePathStyle },
	}
}

func s3RegionQuestion() *Question {
	return &Question{
		ID: "s3-region", Step: "storage", Turn: 4, Title: "Region", Asked: InBucket, Default: firstRegion,
		Flags: []Flag{textFlag("s3-region", "REGION", "S3 region (default from the environment, else us-east-1)")},
		Ask:   "In which region is the bucket?",
		Help: "Requests are signed for a region, and the S3 endpoint refuses those for another one. Most " +
			"S3-compatible storage accepts us-east-1.",
		Suggest: func(_ *machine.Machine, a *Answers) []string {
			if a.S3.RegionEndpoint != "" {
				return []string{firstRegion}
			}
			return []string{firstRegion, "us-east-2", "us-west-2", "eu-central-1", "eu-west-1", "ap-southeast-1"}
		},
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			switch {
			case a.S3.Region == "" && a.InstalledS3() != nil && a.InstalledS3().Region == "" && a.S3.RegionEndpoint != "":
				return nil
			case a.S3.Region == "":
				return refusedf(setup.CodeMissing, "the region of the bucket is missing", "name it %s, for instance %s",
					withFlag("--s3-region", ""), firstRegion)
			case unseen(a.S3.Region):
				return refused(setup.CodeValue, fmt.Sprintf("%+q is not a region", setup.Clip(a.S3.Region)),
					"write it like "+firstRegion)
			}
			return nil
		},
		Answer: func(a *Answers) *string { return &a.S3.Region },
	}
}

// firstRegion is the region that services without regions accept.
const firstRegion = "us-east-1"

func s3AccessKeyQuestion() *Question {
	return &Question{
		ID: "s3-access-key", Step: "storage", Turn: 5, Title: "Access key", Asked: InBucket,
		Flags: []Flag{textFlag("s3-access-key", "ID", "S3 access key ID (default the AWS credential chain)")},
		Ask:   "Which access key may use the bucket?", Empty: "the credentials that AWS tools find",
		Help: "The ID of a key that may list, read, write and delete in this bucket, and ideally nowhere else. If " +
			"it is empty, the server uses the credentials that AWS tools find: environment variables, ~/.aws of " +
			"the user who runs the server, or the role of the machine.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if unseen(a.S3.AccessKey) {
				return refused(setup.CodeValue, "the access key holds characters that none has", "copy it again")
			}
			return nil
		},
		Answer: func(a *Answers) *string { return &a.S3.AccessKey },
	}
}

// S3SecretVariable is the environment variable for the secret key.
const S3SecretVariable = "PACKHOUSE_S3_SECRET_KEY"

func s3SecretKeyQuestion() *Question {
	return &Question{
		ID: "s3-secret-key", Step: "storage", Turn: 5, Title: "Secret key", Kind: Hidden,
		Belongs: "--s3-access-key",
		Flags: []Flag{textFlag("s3-secret-key-file", "FILE",
			"file with the S3 secret access key; the variable PACKHOUSE_S3_SECRET_KEY can hold the key instead")},
		Ask: "What is its secret key?",
		Help: "The key is not shown. It is stored only in myconfig.yml, which then only its owner can read. Scripts pass " +
			"it in a file or in " + S3SecretVariable + ", so that it is in no process list and no shell history.",
		Asked: func(a *Answers) bool { return InBucket(a) && a.S3.AccessKey != "" },
		Get: func(a *Answers) string {
			if a.S3.SecretKey == "" {
				return ""
			}
			return secretShown
		},
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			switch {
			case a.S3.SecretKey == "":
				return refusedf(setup.CodeMissing, "the secret key of the access key is missing", "give it %s",
					withFlag("--s3-secret-key-file", " FILE or in "+S3SecretVariable))
			case strings.ContainsFunc(a.S3.SecretKey.Reveal(), func(r rune) bool { return r < ' ' || r == 0x7f }):
				return refused(setup.CodeValue, "the secret key holds control characters", "copy it again, as one line")
			}
			return nil
		},
		Set: func(a *Answers, s string) error {
			s = strings.TrimSpace(s)
			if s == "" && a.InstalledS3() != nil && a.InstalledS3().AccessKey == a.S3.AccessKey {
				a.S3.SecretKey = a.InstalledS3().SecretKey
			} else if s != secretShown {
				a.S3.SecretKey = setup.Secret(s)
			}
			return nil
		},
	}
}

// secretShown is displayed in place of a secret that is set.
const secretShown = "(given, not shown)"

// unseen reports whether s contains spaces or characters outside printable ASCII.
func unseen(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func s3RootQuestion() *Question {
	return &Question{
		ID: "s3-root", Step: "storage", Turn: 6, Title: "Prefix", Asked: InBucket, Advanced: true,
		Flags: []Flag{textFlag("s3-root", "PREFIX", "prefix of every S3 object key (default none)")},
		Ask:   "Below which prefix of the bucket?", Empty: "the whole bucket",
		Help: "Empty means the whole bucket, which is best: a separate bucket has its own permissions and " +
			"lifecycle rules. With a prefix such as /registry, the bucket can be shared.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if strings.ContainsFunc(a.S3.RootDirectory, func(r rune) bool { return r < ' ' || r == 0x7f }) ||
				slices.Contains(strings.Split(a.S3.RootDirectory, "/"), "..") {
				return refused(setup.CodeValue, fmt.Sprintf("%+q cannot be a prefix", setup.Clip(a.S3.RootDirectory)),
					"write it like /registry")
			}
			return nil
		},
		Answer: func(a *Answers) *string { return &a.S3.RootDirectory },
	}
}

func s3EncryptQuestion() *Question {
	return &Question{
		ID: "s3-encrypt", Step: "storage", Turn: 7, Title: "Encryption", Asked: InBucket, Advanced: true,
		Flags: []Flag{boolFlag("s3-encrypt", "encrypt S3 objects on the server side")},
		Ask:   "Ask the S3 service to encrypt what it keeps?",
		Help: "AWS does so anyway. Other S3-compatible storage may need keys of its own for it, and refuses " +
			"writes without them.",
		Confirms: func(a *Answers) *bool { return &a.S3.Encrypt },
	}
}

func s3KMSQuestion() *Question {
	return &Question{
		ID: "s3-kms-key-id", Step: "storage", Turn: 7, Title: "KMS key",
		Belongs: "--storage s3 with --s3-encrypt",
		Flags:   []Flag{textFlag("s3-kms-key-id", "ID", "ID of the KMS key that encrypts S3 objects (implies --s3-encrypt)")},
		Asked:   func(a *Answers) bool { return InBucket(a) && a.S3.Encrypt }, Advanced: true,
		Ask: "With which key of the KMS?", Empty: "the S3 service's own",
		Help: "Empty means the default key of the S3-compatible storage. The server, and clients that pull, need " +
			"permission to use this key.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if unseen(a.S3.KeyID) {
				return refused(setup.CodeValue, fmt.Sprintf("%+q is not a key of a KMS", setup.Clip(a.S3.KeyID)),
					"write its id or ARN")
			}
			return nil
		},
		Answer:  func(a *Answers) *string { return &a.S3.KeyID },
		Changed: func(a *Answers, _ string) { a.S3.Encrypt = a.S3.Encrypt || a.S3.KeyID != "" },
	}
}

// bucketName matches valid bucket names, including those that older S3 rules allow.
var bucketName = pattern.Lazy(`^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$`)

func s3BucketQuestion() *Question {
	return &Question{
		ID: "s3-bucket", Step: "storage", Turn: 8, Title: "Bucket", Asked: InBucket,
		Flags: []Flag{textFlag("s3-bucket", "NAME", "S3 bucket that stores the content, with --storage s3")},
		Ask:   "Which bucket?",
		Help: "The bucket must exist. When you leave this step, setup writes, reads, lists and deletes a few " +
			"small objects in it, so that missing permissions are found before anything is installed. Any " +
			"number of servers can share one bucket.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			switch {
			case a.S3.Bucket == "":
				return refusedf(setup.CodeMissing, "the name of the bucket is missing", "name it %s", withFlag("--s3-bucket", ""))
			case !bucketName().MatchString(a.S3.Bucket) || net.ParseIP(a.S3.Bucket) != nil:
				return refused(setup.CodeValue, fmt.Sprintf("%+q is not a valid bucket name", setup.Clip(a.S3.Bucket)),
					"write only its name, without s3:// and without a path")
			}
			return nil
		},
		Probe:  probeBucket,
		Answer: func(a *Answers) *string { return &a.S3.Bucket },
	}
}
