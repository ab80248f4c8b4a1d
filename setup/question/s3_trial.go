package question

import (
	"context"
	"fmt"
	"strings"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup/machine"
)

// Codes of findings of the bucket test, one for each possible cause.
const (
	CodeS3Plain      = "storage-plain-http"  // warning: no TLS to the endpoint
	CodeS3Unverified = "storage-unverified"  // warning: the endpoint's certificate is not verified
	CodeS3Settings   = "bucket-settings"     // missing or malformed settings
	CodeS3Name       = "bucket-name"         // the endpoint's name does not resolve
	CodeS3Connection = "bucket-connection"   // the endpoint does not respond
	CodeS3TLS        = "bucket-tls"          // the endpoint's certificate is not accepted
	CodeS3Clock      = "bucket-clock"        // this machine's clock is too far off
	CodeS3Signature  = "bucket-signature"    // the credentials are not accepted
	CodeS3Region     = "bucket-region"       // the bucket is in another region
	CodeS3Bucket     = "bucket-missing"      // the bucket does not exist
	CodeS3List       = "bucket-list"         // permission to list is missing
	CodeS3Put        = "bucket-put"          // permission to put objects is missing
	CodeS3Get        = "bucket-get"          // permission to get objects is missing
	CodeS3Multipart  = "bucket-multipart"    // permission for multipart uploads is missing
	CodeS3Conditions = config.CodeConditions // warning: the service lacks conditional writes
	CodeS3Delete     = "bucket-delete"       // permission to delete is missing
	CodeS3Stopped    = "bucket-not-tried"    // the test was interrupted
	CodeS3Proven     = "bucket-proven"       // note: operations that work
)

// s3Rights maps each operation that can fail to its question. The remedy comes from the test, which
// knows how it failed.
var s3Rights = []struct {
	Right, Code, Question, Flag string
	granted                     bool // a permission in the bucket, listed if all tests pass
}{
	{"settings", CodeS3Settings, "s3-bucket", "--s3-bucket", false},
	{"name", CodeS3Name, "s3-endpoint", "--s3-endpoint", false},
	{"connection", CodeS3Connection, "s3-endpoint", "--s3-endpoint", false},
	{"tls", CodeS3TLS, "s3-endpoint", "--s3-endpoint", false},
	{"clock", CodeS3Clock, "s3-bucket", "--s3-bucket", false},
	{"signature", CodeS3Signature, "s3-secret-key", "--s3-secret-key-file", false},
	{"region", CodeS3Region, "s3-region", "--s3-region", false},
	{"bucket", CodeS3Bucket, "s3-bucket", "--s3-bucket", false},
	{"list", CodeS3List, "s3-bucket", "--s3-bucket", true},
	{"put", CodeS3Put, "s3-bucket", "--s3-bucket", true},
	{"get", CodeS3Get, "s3-bucket", "--s3-bucket", true},
	{"multipart", CodeS3Multipart, "s3-bucket", "--s3-bucket", true},
	{"conditions", CodeS3Conditions, "s3-bucket", "--s3-bucket", true},
	{"delete", CodeS3Delete, "s3-bucket", "--s3-bucket", true},
}

// s3Flags maps keys of the configuration to flags.
var s3Flags = map[string]string{
	"storage.s3.accesskey":      "--s3-access-key",
	"storage.s3.bucket":         "--s3-bucket",
	"storage.s3.cafile":         "--s3-ca-file",
	"storage.s3.forcepathstyle": "--s3-path-style",
	"storage.s3.region":         "--s3-region",
	"storage.s3.regionendpoint": "--s3-endpoint",
	"storage.s3.rootdirectory":  "--s3-root",
	"storage.s3.secretkey":      "--s3-secret-key-file",
}

// byKey returns a reference to a question for a reference to a key of the configuration.
func byKey(r finding.Ref) finding.Ref {
	if r.Key == "" {
		return r
	}
	flag, ok := s3Flags[r.Key]
	if !ok {
		return finding.Ref{Text: "the answers about the bucket"}
	}
	q := ByFlag(flag)
	switch {
	case r.In:
		q.Text, q.Title = "in "+q.Text, "at "+q.Title
	case r.Other:
		q.Text, q.Title = "the other setting of "+q.Text, "the other setting of "+q.Title
	}
	return q
}

// InstalledS3 returns the bucket of the existing installation, or nil.
func (a *Answers) InstalledS3() *config.S3Storage {
	if a.Existing == nil || a.Existing.Config == nil || a.Existing.Config.Storage.Driver != config.S3 {
		return nil
	}
	return &a.Existing.Config.Storage.S3
}

// S3Config returns the bucket as the server's configuration. Settings without a question keep their
// existing values.
func (a *Answers) S3Config() config.S3Storage {
	s := config.S3Storage{Secure: true, ChunkSize: 10 << 20, MaxRetries: 5, UploadMemory: 64 << 20}
	if old := a.InstalledS3(); old != nil {
		s = *old
	}
	if a.S3.AccessKey != s.AccessKey {
		s.SessionToken = "" // belongs to the previous access key
	}
	if a.S3.RegionEndpoint != s.RegionEndpoint {
		s.Secure = !strings.HasPrefix(a.S3.RegionEndpoint, "http://")
	}
	s.RegionEndpoint, s.CAFile, s.SkipVerify, s.ForcePathStyle = a.S3.RegionEndpoint, a.S3.CAFile, a.S3.SkipVerify,
		a.S3.ForcePathStyle
	s.Region, s.AccessKey, s.SecretKey, s.RootDirectory = a.S3.Region, a.S3.AccessKey, a.S3.SecretKey, a.S3.RootDirectory
	s.Encrypt, s.KeyID, s.Bucket = a.S3.Encrypt, a.S3.KeyID, a.S3.Bucket
	if !s.Encrypt {
		s.KeyID = ""
	}
	if s.AccessKey == "" {
		s.SecretKey = ""
	}
	return s
}

// probeBucket tests all operations that the store needs, unless an answer is obviously wrong.
func probeBucket(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	if a.Offline || m.TryStorage == nil {
		return nil
	}
	for _, q := range All() {
		if strings.HasPrefix(q.ID, "s3-") && q.Asked(a) && finding.AnyRefused(q.Validate(ctx, m, a)) {
			return nil // reported already
		}
	}
	cfg := a.S3Config()
	findings := JudgeTrials(cfg.Bucket, m.TryStorage(ctx, config.Storage{Driver: config.S3, S3: cfg}))
	for i := range findings {
		findings[i] = findings[i].Replace(byKey)
	}
	if ctx.Err() != nil {
		return refused(CodeS3Stopped, "the bucket was not tried to the end", "try it again, or leave it out with --offline")
	}
	if old := a.InstalledS3(); old != nil && *old == cfg {
		return onlyWarned(findings) // a bucket in use must not block other changes, such as renewing a certificate
	}
	return findings
}

// JudgeTrials converts trials to findings: the failures, or a single note about what works. They
// refer to keys of myconfig.yml.
func JudgeTrials(bucket string, trials []finding.Trial) []finding.Finding {
	var findings []finding.Finding
	var works []string
	for _, trial := range trials {
		for _, r := range s3Rights {
			switch {
			case r.Right != trial.Check || !trial.Tried:
			case trial.Passed && r.granted:
				works = append(works, trial.What)
			case trial.Passed:
			default:
				f := trial.Finding
				f.Code, f.Severity, f.Subject = r.Code, finding.Refused, finding.Subject{Question: r.Question, Flag: r.Flag}
				if trial.Check == "conditions" {
					f.Severity = finding.Warning // the store works without them
				}
				findings = append(findings, f)
			}
		}
	}
	if len(findings) == 0 && len(works) > 0 {
		return noted(CodeS3Proven, fmt.Sprintf("every right was tried in bucket %s: %s", bucket, strings.Join(works, ", ")),
			"")
	}
	return findings
}
