// Package acme obtains and renews certificates from an ACME directory (RFC 8555), such as Let's
// Encrypt.
//
//	m, err := acme.New(acme.Options{Hosts: hosts, Email: email, Cache: acme.Directory("/etc/packhouse/le-cache"), Log: log})
//	go m.Run(ctx)                                // orders and renews
//	config.GetCertificate = m.GetCertificate     // never waits, never orders
//
// # Guarantees
//
// Handshakes never start or wait for an order. Certificates are ordered in the background, one per
// name: at the start, and again when a third of the lifetime, but at most 30 days, remains. Until
// the first one is issued, a self-signed stand-in is served, which clients reject; State reports
// it.
//
// A failing name does not use up the CA's rate limits. The backoff grows with each refusal, from
// ten minutes to half a day, and is stored in the cache before anything is ordered, so neither a
// restart nor a crash during an order shortens it. If the cache cannot be read or written, nothing
// is ordered. The CA's error message is stored verbatim.
//
// Names are independent: one that hangs or is refused delays neither orders nor renewals of others.
//
// A failure dated more than a day in the future is ignored, so that a machine whose clock is set
// only after the start does not wait for years.
//
// # Challenges
//
// TLS-ALPN-01 (RFC 8737) is answered on the server's port, which the CA reaches as port 443;
// HTTP-01 (RFC 8555, section 8.3) by HTTPHandler, which the CA reaches as port 80. The challenge
// type that succeeded last is tried first.
//
// # The cache
//
// Account and certificates are stored in a Cache under the keys that
// golang.org/x/crypto/acme/autocert uses, so packhouse and CNCF distribution can take over each
// other's cache. Beside them are order records and, during an order, the answers to its challenges.
//
// # Multiple servers
//
// Servers sharing a cache answer each other's challenges and use each other's certificates. With a
// Lease, only one of them at a time orders a name, after rereading the cache: together they have
// one account, one order and one backoff. The others poll the cache: every hour normally, every
// minute while a certificate is missing, every five seconds while an order is in progress. If a
// server dies during an order, the next to acquire its lease orders again immediately; if that one
// dies too, the backoff applies.
//
// An answer is in the cache for a second before the CA is asked to validate it, which is how long
// other servers cache lookups. So strangers can cause at most one cache lookup per second and name,
// and any server that the CA reaches can answer.
package acme
