// Package server assembles a pack registry and runs it.
//
//	s, err := server.New(ctx, server.Options{Config: loaded.Config, ConfigPath: path, Version: version})
//	if err != nil { … }
//	err = s.Run(ctx) // listens, serves, and drains when ctx is done; nil after a clean end
//
// While it runs, Addr is the bound address, Fingerprint that of the certificate served, Nonce what /health shows in the header
// Packhouse-Instance, Reload takes up what changed on disk, and Shutdown ends Run.
//
// New opens the store and reads certificates and users; from then on the Server is an http.Handler and can be tested without a port. Listen
// binds the port apart from Run, for callers that want to know the address first.
//
// # One way through
//
// Every request goes the same way: route.Paths.Parse makes it an action on parsed resources, auth.Authenticator says who asks, auth.Policy
// whether they may, the handler of the action answers, and problem.Write words every refusal.
//
// # What changes while it runs
//
// Reload takes a new configuration after it was verified, without dropping a connection; what only a restart can change is named in the log
// and in the status. Users and certificates are taken up by themselves, within seconds after their files change. A bad file never replaces
// a good state: the last good one stays, and the log, the status and a metric say so.
//
// # The admin socket
//
// Whoever may write to the Unix socket (mode 0600) may ask for status, reload, collection, scrub, usage, reindexing and probe identities;
// package admin is the client.
package server
