package config

import "time"

// root is the schema, the single source for parsing, variables, Show, the JSON Schema and the
// reference. Its sections are in schema_storage.go, schema_http.go and schema_auth.go.
var root = &key{kind: section, about: "Configuration of a packhouse server.", keys: []*key{
	{
		name: "version", kind: text, choices: []string{"0.1"},
		about: "Format of the file. Required; always 0.1.",
		bind:  in(func(c *Config) *string { return &c.Version }),
	},
	logKeys,
	{
		name: "loglevel", kind: text, choices: levels, status: noted, word: "the old spelling of log.level, and read as that",
		about: "Deprecated spelling of log.level.",
	},
	storageKeys,
	httpKeys,
	authKeys,
	packsKeys,
	healthKeys,
	notificationKeys,
	{
		name: "proxy", kind: anything, status: refused, word: "this server does not pull through from another registry; remove the section",
		about: "Pull-through cache of another registry.",
	},
	{
		name: "redis", kind: anything, status: noted, word: "no redis is needed: nothing is cached outside the process",
		about: "Connection to redis.",
	},
	validationKeys,
	{
		name: "catalog", kind: section, about: "The list of repositories.",
		keys: []*key{{
			name: "maxentries", kind: integer, status: noted, word: "listings are always in pages of at most 1000 names",
			about: "Most names on a page of the list of repositories.",
		}},
	},
	{
		name: "tags", kind: section, about: "The list of tags.",
		keys: []*key{{
			name: "maxtags", kind: integer, status: noted, word: "listings are always in pages of at most 10000 names",
			about: "Most names on a page of the list of tags.",
		}},
	},
	{
		name: "policy", kind: anything, status: noted, word: "every class of content is accepted; this section changes nothing",
		about: "Classes of repositories.",
	},
	{
		name: "middleware", kind: anything, status: noted, word: "there is no middleware here; this section changes nothing",
		about: "Middleware of CNCF distribution.",
	},
	{
		name: "reporting", kind: anything, status: noted, word: "nothing is ever reported to a third party; this section changes nothing",
		about: "Error reporting services.",
	},
	{
		name: "compatibility", kind: anything, status: noted, word: "schema 1 manifests are refused; this section changes nothing",
		about: "Obsolete manifest formats.",
	},
}}

var validationKeys = &key{name: "validation", kind: section, about: "Rules for pushed manifests.", keys: []*key{
	{
		name: "disabled", kind: boolean, def: "false", about: "Accept every URL in manifests and ignore manifests.urls.",
		bind: in(func(c *Config) *bool { return &c.Validation.Disabled }),
	},
	{
		name: "enabled", kind: boolean, status: noted, word: "validation is on unless validation.disabled is true; this changes nothing",
		about: "Deprecated switch of CNCF distribution.",
	},
	{name: "manifests", kind: section, about: "What manifests may refer to.", keys: []*key{
		{name: "urls", kind: section, about: "URLs in descriptors, from which clients fetch foreign layers.", keys: []*key{
			{
				name: "allow", kind: list, scalar: true,
				about: "Regular expressions (RE2): a URL must match one of them. CNCF distribution refuses every URL without allow and deny; packhouse then accepts all.",
				bind:  in(func(c *Config) *[]string { return &c.Validation.Allow }),
			},
			{
				name: "deny", kind: list, scalar: true, about: "Regular expressions (RE2): a URL must match none of them.",
				bind: in(func(c *Config) *[]string { return &c.Validation.Deny }),
			},
		}},
		{
			name: "sparse", kind: text, def: "refuse", choices: []string{"refuse", "allow"}, ours: true,
			about: "Manifests whose blobs are missing. allow: accept them, for mirrors of a part of each image.",
			bind:  in(func(c *Config) *string { return &c.Validation.Sparse }),
		},
		{
			name: "indexes", kind: anything, status: noted, word: "an index is stored whether or not all of its manifests are (a sparse index); this section changes nothing",
			about: "Platforms that an index must hold.",
		},
	}},
}}

var levels = []string{"error", "warn", "info", "debug"}

var logKeys = &key{name: "log", kind: section, about: "The log of the server.", keys: []*key{
	{
		name: "level", kind: text, def: "info", choices: levels,
		about: "Lowest severity that is logged.",
		bind:  in(func(c *Config) *string { return &c.Log.Level }),
	},
	{
		name: "formatter", kind: text, def: "text", choices: []string{"text", "json", "logstash"},
		about: "Format of a line; logstash means json.",
		bind:  in(func(c *Config) *string { return &c.Log.Formatter }),
	},
	{
		name: "fields", kind: table, about: "Names and values added to every line.",
		bind: in(func(c *Config) *map[string]string { return &c.Log.Fields }),
	},
	{name: "accesslog", kind: section, about: "The log of requests.", keys: []*key{{
		name: "disabled", kind: boolean, def: "false", about: "Do not log requests.",
		bind: in(func(c *Config) *bool { return &c.Log.AccessLog.Disabled }),
	}}},
	{name: "audit", kind: section, ours: true, about: "The log of who did what, in JSON lines.", keys: []*key{{
		name: "path", kind: text, ours: true,
		about: "File of the audit log, outside the store, or - for standard output. Off when not given.",
		bind:  in(func(c *Config) *string { return &c.Log.Audit.Path }),
	}}},
	{
		name: "hooks", kind: anything, status: noted, word: "no mail is sent about log lines; watch the log or the metrics instead",
		about: "Mail about log lines.",
	},
	{
		name: "reportcaller", kind: boolean, status: noted, word: "lines do not name source files; this changes nothing",
		about: "Source file on every line.",
	},
}}

var packsKeys = &key{name: "packs", kind: section, ours: true, about: "The pack view under /v1.", keys: []*key{
	{
		name: "base", kind: text, ours: true, about: "Path before spectro-packs/archive in the names of pack repositories.",
		bind: in(func(c *Config) *string { return &c.Packs.Base }),
	},
	{
		name: "overwrite", kind: text, def: "force", choices: []string{"deny", "force", "allow"}, ours: true,
		about: "Whether an admin may overwrite an existing pack version: never, if forced, always.",
		bind:  in(func(c *Config) *string { return &c.Packs.Overwrite }),
	},
}}

var healthKeys = &key{name: "health", kind: section, about: "Probes behind /health.", keys: []*key{
	{name: "storagedriver", kind: section, about: "The storage, by writing to it.", keys: []*key{
		{
			name: "enabled", kind: boolean, def: "true", about: "Probe the storage.",
			bind: in(func(c *Config) *bool { return &c.Health.StorageDriver.Enabled }),
		},
		{
			name: "interval", kind: duration, def: "10s", min: int64(time.Millisecond), about: "Time between two probes.",
			bind: in(func(c *Config) *time.Duration { return &c.Health.StorageDriver.Interval }),
		},
		{
			name: "threshold", kind: integer, def: "3", min: 1, about: "Failures in a row that make the server unhealthy.",
			bind: in(func(c *Config) *int { return &c.Health.StorageDriver.Threshold }),
		},
	}},
	{
		name: "file", kind: entries,
		about: "Unhealthy while a file exists.", elements: each(func(c *Config) *[]FileHealth { return &c.Health.File }),
		keys: []*key{
			{name: "file", kind: text, about: "The file. Required.", bind: at(func(h *FileHealth) *string { return &h.File })},
			{name: "interval", kind: duration, def: "10s", about: "Time between two probes.", min: int64(time.Millisecond), bind: at(func(h *FileHealth) *time.Duration { return &h.Interval })},
			{name: "threshold", kind: integer, status: quiet, about: "Without effect: a file exists or does not."},
		},
	},
	{
		name: "http", kind: entries,
		about: "Unhealthy while a URL does not answer.", elements: each(func(c *Config) *[]HTTPHealth { return &c.Health.HTTP }),
		keys: []*key{
			{name: "uri", kind: text, masked: true, about: "The URL, asked with HEAD. Required.", bind: at(func(h *HTTPHealth) *string { return &h.URI })},
			{
				name: "headers", kind: headers, masked: true, about: "Headers to send.",
				bind: at(func(h *HTTPHealth) *map[string][]string { return &h.Headers }),
			},
			{name: "statuscode", kind: integer, def: "200", min: 100, about: "The status that is healthy.", bind: at(func(h *HTTPHealth) *int { return &h.StatusCode })},
			{name: "timeout", kind: duration, def: "3s", about: "Longest wait.", bind: at(func(h *HTTPHealth) *time.Duration { return &h.Timeout })},
			{name: "interval", kind: duration, def: "10s", about: "Time between two probes.", bind: at(func(h *HTTPHealth) *time.Duration { return &h.Interval })},
			{name: "threshold", kind: integer, def: "3", min: 1, about: "Failures in a row.", bind: at(func(h *HTTPHealth) *int { return &h.Threshold })},
		},
	},
	{
		name: "tcp", kind: entries,
		about: "Unhealthy while an address does not accept connections.", elements: each(func(c *Config) *[]TCPHealth { return &c.Health.TCP }),
		keys: []*key{
			{name: "addr", kind: text, about: "host:port. Required.", bind: at(func(h *TCPHealth) *string { return &h.Addr })},
			{name: "timeout", kind: duration, def: "3s", about: "Longest wait.", bind: at(func(h *TCPHealth) *time.Duration { return &h.Timeout })},
			{name: "interval", kind: duration, def: "10s", about: "Time between two probes.", bind: at(func(h *TCPHealth) *time.Duration { return &h.Interval })},
			{name: "threshold", kind: integer, def: "3", min: 1, about: "Failures in a row.", bind: at(func(h *TCPHealth) *int { return &h.Threshold })},
		},
	},
}}

var notificationKeys = &key{
	name: "notifications", kind: section,
	about: "Webhooks about pushes, pulls, mounts and deletions. Events for an endpoint that is down are queued beside the store and survive a restart.",
	keys: []*key{
		{name: "events", kind: section, about: "What an event holds.", keys: []*key{{
			name: "includereferences", kind: boolean, def: "false", about: "Put the references of a manifest into its event.",
			bind: in(func(c *Config) *bool { return &c.Notifications.IncludeReferences }),
		}}},
		{
			name: "endpoints", kind: entries, about: "The webhooks.",
			elements: each(func(c *Config) *[]Endpoint { return &c.Notifications.Endpoints }),
			keys: []*key{
				{name: "name", kind: text, about: "A name for logs and metrics, and for the queue. Required.", bind: at(func(e *Endpoint) *string { return &e.Name })},
				{name: "disabled", kind: boolean, def: "false", about: "Send nothing.", bind: at(func(e *Endpoint) *bool { return &e.Disabled })},
				{name: "url", kind: text, masked: true, about: "URL for the events. Required; redirects are not followed.", bind: at(func(e *Endpoint) *string { return &e.URL })},
				{
					name: "headers", kind: headers, masked: true, about: "Headers to send.",
					bind: at(func(e *Endpoint) *map[string][]string { return &e.Headers }),
				},
				{name: "timeout", kind: duration, def: "1s", about: "Longest wait for an answer.", bind: at(func(e *Endpoint) *time.Duration { return &e.Timeout })},
				{name: "threshold", kind: integer, def: "10", min: 1, about: "Failures in a row before backing off.", bind: at(func(e *Endpoint) *int { return &e.Threshold })},
				{name: "backoff", kind: duration, def: "1s", about: "First pause after that; it doubles up to 5m.", bind: at(func(e *Endpoint) *time.Duration { return &e.Backoff })},
				{name: "ignoredmediatypes", kind: list, about: "Deprecated spelling of ignore.mediatypes.", bind: at(func(e *Endpoint) *[]string { return &e.IgnoreMediaTypes })},
				{name: "ignore", kind: section, about: "What is of no interest.", keys: []*key{
					{name: "mediatypes", kind: list, about: "Media types.", bind: at(func(e *Endpoint) *[]string { return &e.IgnoreMediaTypes })},
					{name: "actions", kind: list, about: "Actions: push, pull, delete, mount.", bind: at(func(e *Endpoint) *[]string { return &e.IgnoreActions })},
				}},
			},
		},
	},
}
