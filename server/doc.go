// Package server assembles and runs a pack registry.
//
//	s, err := server.New(ctx, server.Options{Config: loaded.Config, ConfigPath: path, Version: version})
//	if err != nil { … }
//	err = s.Run(ctx) // listens, serves, and drains when ctx is done; nil after a clean end
//
// While it runs, Addr returns the bound address, Fingerprint that of the served certificate, and
// Nonce the Packhouse-Instance header of /health. Reload applies changes on disk, and Shutdown ends
// Run.
//
// New opens the store and loads certificates and users. The Server is then an http.Handler and can
// be tested without a port. Call Listen before Run to learn the address first.
//
// # Request path
//
// Every request takes the same path: route.Paths.Parse parses it into an action on resources,
// auth.Authenticator identifies the sender, auth.Policy authorizes the request, the action's
// handler responds, and problem.Write formats every error.
//
// # Changes at run time
//
// Reload verifies a new configuration and applies it without dropping connections. Settings that
// need a restart are listed in the log and the status. Users and certificates are reloaded
// automatically within seconds after their files change. A bad file never replaces a valid state:
// the last valid one stays in use, and the log, the status and a metric report it.
//
// # The admin socket
//
// A user who can write to the Unix socket (mode 0600) can request status, reload, garbage
// collection, scrub, usage, reindexing and probe identities. Package admin is the client.
package server
