// Package certificates provides the certificates of a TLS listener: from files, which it reloads when
// they change, or from an ACME directory. It also loads the CAs for client certificates.
package certificates
