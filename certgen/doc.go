// Package certgen issues, parses and verifies the certificates of a registry. It uses only the standard library and touches no file:
// PEM goes in, PEM comes out.
//
// # Making
//
// [NewCA] makes a private certificate authority, [NewLeaf] a server certificate signed by it, [NewSelfSigned] a single certificate that is
// server certificate and trust anchor at once. Names come from [ParseNames], which puts every host name and address where it belongs:
// clients have ignored the common name since Go 1.15, host names must be in DNS SANs and addresses in IP SANs. The common name is for
// people, and left out where a host name is longer than the 64 characters that X.520 allows.
//
//	ca, err := certgen.NewCA(certgen.CAOptions{})
//	names, err := certgen.ParseNames([]string{"registry.example.com", "192.0.2.17", "[2001:db8::17]"})
//	leaf, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: names})
//	os.WriteFile("tls.crt", leaf.CertPEM(), 0o644) // leaf first, then the CA: "curl --cacert tls.crt" works
//
// Whatever is made has been verified under each of its names, as a client would, before it is returned.
//
// # Renewing
//
// A renewed certificate keeps its key when [LeafOptions].Key is set. A new CA is rolled over by handing out old and new together
// ([EncodeChain] takes both) until the last client trusts the new one.
//
// # Reading and validating
//
// [ParseChain] and [ParsePair] parse input from elsewhere and describe its first fault in one sentence ([InputError]); [Verify] lists
// everything that a client would object to, each with a stable code and a remedy. No error, problem or description ever holds key material.
package certgen
