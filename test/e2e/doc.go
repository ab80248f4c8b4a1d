// Package e2e proves the built binary with the programs that people use: it
// installs a registry the way a script does, serves it, and lets oras, crane,
// regctl, skopeo, buildah, curl, openssl and htpasswd loose on it over verified
// TLS. CNCF distribution takes turns with it on one directory, and the kernel
// is watched, and made to fail, while content is being promised.
//
// Everything is a test: `make e2e` installs the tools and runs them.
//
//	PACKHOUSE_BIN  the binary under test; default ../../bin/packhouse
//	SOAK           how long a soak loads the server; default 30s
//	CI=true        a missing tool fails its test instead of skipping it
package e2e
