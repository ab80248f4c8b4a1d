package server

import (
	"context"
	"os"
	"strings"

	"packhouse/server/admin"
	"packhouse/server/config"
)

// Status returns the current status of the server.
func (s *Server) Status() admin.Status {
	c := s.current.Load().config
	status := admin.Status{
		Version: s.options.Version, PID: os.Getpid(), Config: s.options.ConfigPath, Nonce: s.nonce, Fingerprint: s.Fingerprint(),
		StartedAt: s.started, Storage: describeStorage(c.Storage), Auth: describeAuth(c.Auth), TLS: describeTLS(c.HTTP.TLS),
		Users: s.auth.Users(), UsersDigest: s.auth.UsersDigest(), Reload: s.reloads.last(), Health: s.health.Failing(context.Background()),
	}
	if a := s.Addr(); a != nil {
		status.Address = a.String()
	}
	if s.certs != nil {
		status.CertificateEnds = s.certs.Ends()
	}
	status.Faults = s.faults()
	return status
}

// faults lists what does not work as configured while the last valid state is in use.
func (s *Server) faults() []string {
	var faults []string
	if err := s.auth.Fault(); err != nil {
		faults = append(faults, err.Error())
	}
	if s.certs != nil {
		if err := s.certs.Fault(); err != nil {
			faults = append(faults, err.Error())
		}
		faults = append(faults, s.certs.OrderFaults()...)
	}
	faults = append(faults, s.notifier.Faults()...)
	if last := s.reloads.last(); last != nil && last.Error != "" {
		faults = append(faults, last.Error)
	}
	return faults
}

func describeAuth(a config.Auth) string {
	if a.Method == config.AuthHtpasswd {
		return "htpasswd " + a.Htpasswd.Path
	}
	return a.Method
}

func describeTLS(t config.TLS) string {
	switch {
	case t.LetsEncrypt.Enabled():
		return "acme " + strings.Join(t.LetsEncrypt.Hosts, ",")
	case t.Enabled():
		return t.Certificate
	}
	return "off"
}

func describeStorage(s config.Storage) string {
	switch s.Driver {
	case config.Filesystem:
		return s.Driver + " " + s.Filesystem.RootDirectory
	case config.S3:
		return s.Driver + " " + s.S3.Bucket
	}
	return s.Driver
}
