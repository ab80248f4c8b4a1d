// Package e2e tests the built binary with the programs that people use. It installs a registry the
// way a script does, serves it, and runs oras, crane, regctl, skopeo, buildah, curl, openssl and
// htpasswd against it over verified TLS. CNCF distribution takes turns with it on one directory.
// strace watches its system calls and makes them fail. Package blockdevice puts its store on a
// device that loses power, fails writes, or hangs.
//
// `make e2e` installs the tools and runs every test.
//
//	PACKHOUSE_BIN  the binary under test; default ../../bin/packhouse
//	SOAK           how long a soak loads the server; default 30s
//	CI=true        a missing tool fails its test instead of skipping it, and so does, as root, a
//	               machine without FUSE or loop devices
package e2e
