package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// peer is a program to be measured.
type peer struct {
	name    string
	binary  string
	promise string // what a 2xx to a push means
	bare    bool   // serves files and nothing else: a limit, not a registry
	s3      bool   // can keep its content in a bucket
	// lacks are names of scenarios that it does not offer.
	lacks []string
	// arguments writes the configuration into the place and returns the
	// command line that serves by it.
	arguments func(at place) ([]string, error)
}

// place is where a peer is to run, and how.
type place struct {
	dir         string
	address     string
	data        string // directory of the store; not used over a bucket
	setting     setting
	certificate certificate
	endpoint    string // of S3
	root        string // below the bucket
}

// findPeers returns packhouse and those of its peers that are installed.
func findPeers(o options) ([]peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the benchmark itself: %w", err)
	}
	candidates := []peer{
		{name: "packhouse", binary: o.packhouse, promise: "durable", s3: true, arguments: packhouseArguments},
		{name: "distribution", binary: filepath.Join(o.tools, "registry"), promise: "durable", s3: true, arguments: distributionArguments},
		{
			name: "olareg", binary: filepath.Join(o.tools, "olareg"), promise: "not durable", arguments: olaregArguments,
			lacks: []string{"catalogue, walk by 100"},
		},
		{name: "bare files", binary: self, promise: "limit", bare: true, arguments: bareArguments},
	}
	var found []peer
	for _, p := range candidates {
		path, err := find(p.binary)
		switch {
		case err != nil:
			return nil, err
		case path == "" && p.name == "packhouse":
			return nil, fmt.Errorf("%s is not there: `make build` makes it", p.binary)
		case path == "":
			fmt.Fprintf(os.Stderr, "bench: %s is left out: %s is not there, test/e2e/tools.sh %s builds it\n", p.name, p.binary, filepath.Base(p.binary))
			continue
		}
		p.binary = path
		found = append(found, p)
	}
	return found, nil
}

// The configuration that packhouse and distribution share, to the letter.
func commonConfiguration(at place) (string, error) {
	var text strings.Builder
	fmt.Fprint(&text, "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n")
	if at.endpoint != "" {
		fmt.Fprintf(&text, "  s3:\n    region: us-east-1\n    bucket: %s\n    rootdirectory: %s\n    accesskey: %s\n    secretkey: %q\n    regionendpoint: %q\n"+
			"    forcepathstyle: true\n    secure: false\n  redirect:\n    disable: true\n", s3Bucket, at.root, s3Key, s3Secret, "http://"+at.endpoint)
	} else {
		fmt.Fprintf(&text, "  filesystem:\n    rootdirectory: %s\n", at.data)
	}
	fmt.Fprintf(&text, "  delete:\n    enabled: true\nhttp:\n  addr: %s\n", at.address)
	if at.setting.tls {
		fmt.Fprintf(&text, "  tls:\n    certificate: %s\n    key: %s\n", at.certificate.certFile, at.certificate.keyFile)
	}
	if at.setting.cost == 0 {
		return text.String(), nil
	}
	hash, err := passwordHash(at.setting.cost)
	if err != nil {
		return "", err
	}
	users := filepath.Join(at.dir, "htpasswd")
	if err := os.WriteFile(users, []byte(user+":"+hash+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write users: %w", err)
	}
	fmt.Fprintf(&text, "auth:\n  htpasswd:\n    realm: bench\n    path: %s\n", users)
	return text.String(), nil
}

func serveBy(at place, text string) ([]string, error) {
	file := filepath.Join(at.dir, "myconfig.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return []string{"serve", file}, nil
}

func packhouseArguments(at place) ([]string, error) {
	text, err := commonConfiguration(at)
	if err != nil {
		return nil, err
	}
	if at.setting.cost > 0 {
		// Ours only: distribution lets everybody do everything.
		text += fmt.Sprintf("    roles:\n      admin: [%s]\n", user)
	}
	return serveBy(at, text)
}

func distributionArguments(at place) ([]string, error) {
	text, err := commonConfiguration(at)
	if err != nil {
		return nil, err
	}
	return serveBy(at, text)
}

func olaregArguments(at place) ([]string, error) {
	host, port, ok := strings.Cut(at.address, ":")
	if !ok || at.endpoint != "" {
		return nil, errors.New("olareg takes a host, a port and a directory")
	}
	if err := os.MkdirAll(at.data, 0o755); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	// Its collection of what is not tagged stays out of the way.
	args := []string{"serve", "--addr", host, "--port", port, "--dir", at.data, "--api-delete", "--api-blob-delete", "--gc-frequency", "-1s"}
	if at.setting.tls {
		args = append(args, "--tls-cert", at.certificate.certFile, "--tls-key", at.certificate.keyFile)
	}
	if at.setting.cost == 0 {
		return args, nil
	}
	hash, err := passwordHash(at.setting.cost)
	if err != nil {
		return nil, err
	}
	users := filepath.Join(at.dir, "users.yml")
	text := fmt.Sprintf("users:\n  %[1]s:\n    cred: %[2]q\ngroups:\n  all:\n    members: [%[1]q]\nacls:\n"+
		"  - {repo: \"\", members: [all], access: [\"*\"]}\n  - {repo: \"*\", members: [all], access: [\"*\"]}\n  - {repo: \"**\", members: [all], access: [\"*\"]}\n", user, hash)
	if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write users: %w", err)
	}
	return append(args, "--auth-basic", users), nil
}

const (
	user     = "bench"
	password = "made for measuring only"
)

func passwordHash(cost int) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return string(hash), nil
}
