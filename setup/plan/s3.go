package plan

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/pattern"
	"packhouse/server/config"
	"packhouse/setup/installation"
	"packhouse/setup/question"
)

// s3Edits returns the differences in the S3 section, key by key, and keeps other settings. If the
// driver changes to S3, it writes all keys that have a value.
func s3Edits(in *installation.Installed, a *question.Answers) (e edits) {
	const section = "storage.s3."
	have, want := config.S3Storage{Secure: true}, a.S3Config()
	if in.Config.Storage.Driver == config.S3 {
		have = in.Config.Storage.S3
	}
	moved := have.RegionEndpoint != want.RegionEndpoint
	e.remove(moved, section+"host") // the endpoint, under the vendor's keys
	e.remove(moved, section+"port")
	e.set(moved, section+"forcepathstyle", want.ForcePathStyle) // implied by those two keys
	change(&e, section+"bucket", have.Bucket, want.Bucket)
	change(&e, section+"region", have.Region, want.Region)
	change(&e, section+"rootdirectory", have.RootDirectory, want.RootDirectory)
	change(&e, section+"regionendpoint", have.RegionEndpoint, want.RegionEndpoint)
	change(&e, section+"accesskey", have.AccessKey, want.AccessKey)
	change(&e, section+"secretkey", have.SecretKey, want.SecretKey)
	change(&e, section+"sessiontoken", have.SessionToken, want.SessionToken)
	change(&e, section+"keyid", have.KeyID, want.KeyID)
	change(&e, section+"cafile", have.CAFile, want.CAFile)
	e.set(have.Secure != want.Secure, section+"secure", want.Secure)
	e.set(have.ForcePathStyle != want.ForcePathStyle, section+"forcepathstyle", want.ForcePathStyle)
	e.set(have.SkipVerify != want.SkipVerify, section+"skipverify", want.SkipVerify)
	e.set(have.Encrypt != want.Encrypt, section+"encrypt", want.Encrypt)
	return e
}

// configuration plans myconfig.yml. The diff is displayed with secrets masked; the file's mode
// depends on whether it contains a secret.
func (b *builder) configuration(data []byte) {
	meaning := []string{b.configMeaning(data)}
	if old := b.answers.InstalledS3(); old != nil && question.InBucket(&b.answers) && b.answers.HoldsSecret() &&
		old.SecretKey != b.answers.S3.SecretKey {
		meaning = append(meaning, "the secret key of the bucket is another one")
	}
	if n := lostComments(b.installed.ConfigData, data); n > 0 {
		meaning = append(meaning, fmt.Sprintf("comments removed with the settings below them: %d (the backup has them)", n))
	}
	b.put(b.path(installation.ConfigFile), b.configMode(), data, true, meaning...)
	b.plan.Changes[len(b.plan.Changes)-1].Secret = false
}

// lostComments returns the number of comment lines in before that are missing in after.
func lostComments(before, after []byte) int {
	comments := func(data []byte) map[string]int {
		counts := map[string]int{}
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSpace(line); bytes.HasPrefix(line, []byte("#")) {
				counts[string(line)]++
			}
		}
		return counts
	}
	n, left := 0, comments(after)
	for line, count := range comments(before) {
		n += max(0, count-left[line])
	}
	return n
}

// configMode returns the file's current mode, unless other users could then read a secret.
func (b *builder) configMode() fs.FileMode {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(b.path(installation.ConfigFile)); err == nil {
		mode = info.Mode().Perm()
	}
	old := b.answers.InstalledS3()
	switch {
	case !b.answers.HoldsSecret():
		return mode
	case old != nil && old.SecretKey != "" && mode&0o007 == 0: // possibly readable by the server's group
		return mode
	}
	return 0o600
}

// secretKeys matches keys whose values are secrets, with the rest of the line or the quoted value.
var secretKeys = pattern.Lazy(
	`(?im)((?:^|[\s{,])["']?(?:secretkey|sessiontoken|secret|password|authorization)["']?[ \t]*:[ \t]+)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'#\[{][^\n]*|\[[^\]\n]*\])`,
)

// masked returns a configuration with its secrets masked.
func masked(data []byte) []byte {
	if data == nil {
		return nil
	}
	for _, text := range secretTexts(data) {
		data = bytes.ReplaceAll(data, []byte(text), []byte("REDACTED"))
	}
	return secretKeys().ReplaceAll(data, []byte("${1}REDACTED"))
}

// secretTexts returns the lines of secrets that span several lines.
func secretTexts(data []byte) []string {
	var root yaml.Node
	if yaml.Unmarshal(data, &root) != nil {
		return nil
	}
	var texts []string
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 && child.Kind == yaml.ScalarNode &&
				child.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 &&
				secretKeys().MatchString(strings.ToLower(n.Content[i-1].Value)+": x") {
				texts = append(texts, strings.Fields(child.Value)...)
			}
			walk(child)
		}
	}
	walk(&root)
	return texts
}
