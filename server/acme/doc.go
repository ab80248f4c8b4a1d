// Package acme keeps a server in certificates from an ACME directory (RFC 8555), such as Let's Encrypt.
//
//	m, err := acme.New(acme.Options{Hosts: hosts, Email: email, Cache: acme.Directory("/etc/packhouse/le-cache"), Log: log})
//	go m.Run(ctx)                                // orders and renews
//	config.GetCertificate = m.GetCertificate     // never waits, never orders
//
// # What it promises
//
// A handshake never starts an order, and never waits for one. Certificates are ordered in the background, one for each name: at the start,
// and again when a third of their life is left, at most 30 days. Until the first one is there a stand-in of the server's own is served,
// which clients refuse; State says so.
//
// A name that fails does not use up the limits of the CA. After each refusal the next try is further away, from ten minutes up to half a
// day, and that is written into the cache before anything is ordered: neither a restart nor a crash in the middle of an order makes it
// sooner. Where the cache cannot be read or written, nothing is ordered at all. What the CA said is kept word for word.
//
// Names do not wait for one another: one that the CA comes to no end with, or refuses, delays neither the order nor the renewal of another.
//
// A failure that was written down by a clock more than a day ahead is passed over, so that a machine whose clock is set only after the start
// does not wait for years.
//
// # Proving a name
//
// TLS-ALPN-01 (RFC 8737) is answered on the port of the server, which the CA reaches as port 443; HTTP-01 (RFC 8555, section 8.3) by
// HTTPHandler, which the CA reaches as port 80. What worked last is tried first.
//
// # The cache
//
// Account and certificates lie in a Cache under the names that golang.org/x/crypto/acme/autocert uses, so CNCF distribution goes on with them
// and the other way round. Beside them lie what is remembered of orders, and for the time of an order the answers to its challenges.
//
// # Many servers
//
// Servers that share a cache answer each other's challenges and take over each other's certificates. With a Lease one of them orders a name at
// a time, having looked again at what the others did: together they have one account, place one order, and wait out one cool-down. The
// others look at the cache: every hour while all is well, every minute while something is wanting, every five seconds while an order is
// under way. When a server dies over an order, the one that gets its lease places another at once; but not a third, which has to wait.
//
// Before a CA is told to look for an answer, the answer has lain in the cache for as long as others believe what they found there, a second:
// so strangers can have the cache read once a second for each name and no oftener, and the CA is answered by whatever server it reaches.
package acme
