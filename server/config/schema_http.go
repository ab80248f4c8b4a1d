package config

import "time"

var httpKeys = &key{name: "http", kind: section, about: "The listener and its responses.", keys: []*key{
	{
		name: "addr", kind: text, def: ":5000", about: "host:port to listen on, or the path of a socket with net: unix.",
		bind: in(func(c *Config) *string { return &c.HTTP.Addr }),
	},
	{
		name: "net", kind: text, def: "tcp", choices: []string{"tcp", "unix"}, about: "Kind of the address.",
		bind: in(func(c *Config) *string { return &c.HTTP.Net }),
	},
	{
		name: "host", kind: text, about: "Public URL of the server, used where an absolute URL cannot be avoided.",
		bind: in(func(c *Config) *string { return &c.HTTP.Host }),
	},
	{
		name: "prefix", kind: text, def: "/", about: "Path before every route; starts and ends with /.",
		bind: in(func(c *Config) *string { return &c.HTTP.Prefix }),
	},
	{
		name: "relativeurls", kind: boolean, def: "true", about: "Send Location headers without scheme and host.",
		bind: in(func(c *Config) *bool { return &c.HTTP.RelativeURLs }),
	},
	{
		name: "draintimeout", kind: duration, def: "30s", about: "Time for running requests when the server stops.",
		bind: in(func(c *Config) *time.Duration { return &c.HTTP.DrainTimeout }),
	},
	{
		name: "insecure", kind: boolean, def: "false", ours: true, about: "Confirms plain HTTP, or no authentication, beyond this machine.",
		bind: in(func(c *Config) *bool { return &c.HTTP.Insecure }),
	},
	{
		name: "secret", kind: secret, status: noted, word: "accepted and not needed: uploads are kept in the store",
		about: "Key that signs the state of uploads elsewhere.",
		bind:  in(func(c *Config) *Secret { return &c.HTTP.Secret }),
	},
	{
		name: "headers", kind: headers,
		about: "Response headers of API routes; each name given replaces the default of that name, an empty list removes it.",
		bind:  in(func(c *Config) *map[string][]string { return &c.HTTP.Headers }),
	},
	{name: "limits", kind: section, ours: true, about: "What clients may take.", keys: []*key{
		{
			name: "uploadsperuser", kind: integer, def: "0", ours: true,
			about: "Uploads one user may have in progress on one server; 0: as many as memory and disk allow.",
			bind:  in(func(c *Config) *int { return &c.HTTP.Limits.UploadsPerUser }),
		},
		{
			name: "connections", kind: integer, def: "10000", min: 1, ours: true,
			about: "Connections at once. At the limit a new one evicts the oldest one without a sign-in.",
			bind:  in(func(c *Config) *int { return &c.HTTP.Limits.Connections }),
		},
		{
			name: "requests", kind: integer, def: "1200", min: 16, ours: true,
			about: "Requests at once, half of them of one user or address. More wait for 20 seconds, then get 429 or 503.",
			bind:  in(func(c *Config) *int { return &c.HTTP.Limits.Requests }),
		},
		{
			name: "headerbytes", kind: size, def: "16KiB", min: 1 << 10, ours: true,
			about: "Bytes of all headers of a request.",
			bind:  in(func(c *Config) *int { return &c.HTTP.Limits.HeaderBytes }),
		},
		{
			name: "stalltimeout", kind: duration, def: "60s", min: int64(time.Second), ours: true,
			about: "Ends a response after this time without a byte that the client accepted.",
			bind:  in(func(c *Config) *time.Duration { return &c.HTTP.Limits.StallTimeout }),
		},
		{
			name: "bodystalltimeout", kind: duration, def: "5m", min: int64(time.Second), ours: true,
			about: "Ends a request with 408 after this time without a byte of its body.",
			bind:  in(func(c *Config) *time.Duration { return &c.HTTP.Limits.BodyStallTimeout }),
		},
		{
			name: "bodyrate", kind: integer, def: "128", ours: true,
			about: "Ends a request with 408 if fewer bytes of its body per second arrive, over a minute; 0: no limit.",
			bind:  in(func(c *Config) *int { return &c.HTTP.Limits.BodyRate }),
		},
	}},
	tlsKeys,
	{name: "http2", kind: section, about: "HTTP/2.", keys: []*key{{
		name: "disabled", kind: boolean, def: "false", about: "Speak HTTP/1.1 only.",
		bind: in(func(c *Config) *bool { return &c.HTTP.HTTP2Disabled }),
	}}},
	{name: "h2c", kind: section, about: "HTTP/2 without TLS.", keys: []*key{{
		name: "enabled", kind: boolean, def: "false", about: "Enable HTTP/2 without TLS, for proxies that use it.",
		bind: in(func(c *Config) *bool { return &c.HTTP.H2CEnabled }),
	}}},
	{name: "debug", kind: section, about: "The second listener: metrics and profiles.", keys: []*key{
		{
			name: "addr", kind: text, about: "host:port to listen on, loopback if no host is given. Off when not given.",
			bind: in(func(c *Config) *string { return &c.HTTP.Debug.Addr }),
		},
		{name: "prometheus", kind: section, about: "Metrics.", keys: []*key{
			{
				name: "enabled", kind: boolean, def: "false", about: "Serve metrics.",
				bind: in(func(c *Config) *bool { return &c.HTTP.Debug.Prometheus }),
			},
			{
				name: "path", kind: text, def: "/metrics", about: "Path of the metrics.",
				bind: in(func(c *Config) *string { return &c.HTTP.Debug.PrometheusPath }),
			},
		}},
	}},
	{
		name: "trustedproxies", kind: list, ours: true, about: "Networks (CIDR) or addresses whose X-Forwarded-* headers are trusted.",
		bind: in(func(c *Config) *[]string { return &c.HTTP.TrustedProxies }),
	},
}}

var tlsKeys = &key{name: "tls", kind: section, about: "The certificate, and what is asked of clients.", keys: []*key{
	{
		name: "certificate", kind: text, about: "PEM file: the certificate, then its chain.",
		bind: in(func(c *Config) *string { return &c.HTTP.TLS.Certificate }),
	},
	{
		name: "key", kind: text, about: "PEM file: its key.",
		bind: in(func(c *Config) *string { return &c.HTTP.TLS.Key }),
	},
	{
		name: "clientcas", kind: list, scalar: true, about: "PEM files: the CAs of client certificates.",
		bind: in(func(c *Config) *[]string { return &c.HTTP.TLS.ClientCAs }),
	},
	{
		name: "clientauth", kind: text,
		choices: []string{"request-client-cert", "require-any-client-cert", "verify-client-cert-if-given", "require-and-verify-client-cert"},
		about:   "Requirement for client certificates; require-and-verify-client-cert if clientcas is set.",
		bind:    in(func(c *Config) *string { return &c.HTTP.TLS.ClientAuth }),
	},
	{
		name: "minimumtls", kind: text, def: "tls1.2", choices: []string{"tls1.2", "tls1.3"}, about: "The oldest version spoken.",
		bind: in(func(c *Config) *string { return &c.HTTP.TLS.MinimumTLS }),
	},
	{
		name: "ciphersuites", kind: list, about: "Cipher suites of TLS 1.2, by name; by default the safe ones.",
		bind: in(func(c *Config) *[]string { return &c.HTTP.TLS.CipherSuites }),
	},
	{
		name: "letsencrypt", kind: section,
		about: "Certificates ordered from an ACME directory.",
		keys: []*key{
			{
				name: "cachefile", kind: text, about: "A directory for account and certificates; relative: beside this file. `storage:NAME`: the storage, for any number of servers.",
				bind: in(func(c *Config) *string { return &c.HTTP.TLS.LetsEncrypt.CacheFile }),
			},
			{
				name: "email", kind: text, about: "Address for the CA's warnings.",
				bind: in(func(c *Config) *string { return &c.HTTP.TLS.LetsEncrypt.Email }),
			},
			{
				name: "hosts", kind: list, about: "The names to order for. Required.",
				bind: in(func(c *Config) *[]string { return &c.HTTP.TLS.LetsEncrypt.Hosts }),
			},
			{
				name: "directoryurl", kind: text, about: "ACME directory, if it is not Let's Encrypt.",
				bind: in(func(c *Config) *string { return &c.HTTP.TLS.LetsEncrypt.DirectoryURL }),
			},
			{
				name: "cafile", kind: text, ours: true, about: "PEM file: the CA of a private directory.",
				bind: in(func(c *Config) *string { return &c.HTTP.TLS.LetsEncrypt.CAFile }),
			},
			{
				name: "eabkid", kind: text, ours: true, about: "Key ID of the account that the CA gave you (external account binding). Needs `eabkeyfile`.",
				bind: in(func(c *Config) *string { return &c.HTTP.TLS.LetsEncrypt.EABKeyID }),
			},
			{
				name: "eabkeyfile", kind: text, ours: true, about: "File with the HMAC key of that account, base64url in one line, mode 0600.",
				bind: in(func(c *Config) *string { return &c.HTTP.TLS.LetsEncrypt.EABKeyFile }),
			},
			{
				name: "httpaddr", kind: text, ours: true, about: "host:port for HTTP-01. Off when not given.",
				bind: in(func(c *Config) *string { return &c.HTTP.TLS.LetsEncrypt.HTTPAddr }),
			},
		},
	},
}}
