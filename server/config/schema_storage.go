package config

import "time"

var storageKeys = &key{
	name: "storage", kind: section, pick: true,
	about: "Storage of the content: the name of a driver, or a section with exactly one driver.",
	keys: []*key{
		{name: "filesystem", kind: section, option: true, about: "A directory.", keys: []*key{
			{
				name: "rootdirectory", kind: text, def: "/data/.spectro-server",
				about: "The directory, in the layout of CNCF distribution.",
				bind:  in(func(c *Config) *string { return &c.Storage.Filesystem.RootDirectory }),
			},
			{
				name: "maxthreads", kind: integer, status: noted, word: "file operations need no limit here; this changes nothing",
				about: "Most file operations at once.",
			},
		}},
		s3Keys,
		{name: "inmemory", kind: section, option: true, about: "Storage in memory: everything is lost when the server stops."},
		{name: "azure", kind: anything, option: true, status: refused, word: "the drivers are filesystem, s3 and inmemory", about: "Azure Blob Storage."},
		{name: "gcs", kind: anything, option: true, status: refused, word: "the drivers are filesystem, s3 and inmemory", about: "Google Cloud Storage."},
		{name: "cache", kind: section, about: "The cache of blob descriptions; nothing needs to be set.", keys: []*key{
			{
				name: "blobdescriptor", kind: text, status: quiet, choices: []string{"inmemory", "redis"},
				about: "Accepted; redis is not needed.",
			},
			{name: "blobdescriptorsize", kind: integer, status: quiet, about: "Accepted; the cache has its own bound."},
			{name: "layerinfo", kind: text, status: quiet, choices: []string{"inmemory", "redis"}, about: "Deprecated spelling of blobdescriptor."},
		}},
		{name: "delete", kind: section, about: "Deletion through the API.", keys: []*key{{
			name: "enabled", kind: boolean, def: "true", about: "Admins may delete. false: no user may.",
			bind: in(func(c *Config) *bool { return &c.Storage.Delete.Enabled }),
		}}},
		{name: "redirect", kind: section, about: "Downloads straight from the S3 service.", keys: []*key{{
			name: "disable", kind: boolean, def: "true", about: "Serve downloads from this server. false: redirect clients to presigned URLs of S3.",
			bind: in(func(c *Config) *bool { return &c.Storage.Redirect.Disable }),
		}, {
			name: "proxybelow", kind: size, def: "0", ours: true,
			about: "Serve blobs below this size from this server, which sends Docker-Content-Digest; S3 does not.",
			bind:  in(func(c *Config) *int64 { return &c.Storage.Redirect.ProxyBelow }),
		}}},
		{name: "tag", kind: section, about: "Look-up of tags.", keys: []*key{{
			name: "concurrencylimit", kind: integer, status: noted, word: "tags are looked up in an index; this changes nothing",
			about: "Most tag look-ups at once.",
		}}},
		maintenanceKeys,
	},
}

var maintenanceKeys = &key{name: "maintenance", kind: section, about: "Upkeep of the store.", keys: []*key{
	{name: "uploadpurging", kind: section, about: "Removal of unfinished uploads.", keys: []*key{
		{
			name: "enabled", kind: boolean, def: "true", about: "Remove them.",
			bind: in(func(c *Config) *bool { return &c.Storage.Maintenance.UploadPurging.Enabled }),
		},
		{
			name: "age", kind: duration, def: "168h", min: int64(time.Minute), about: "Idle for this long is abandoned.",
			bind: in(func(c *Config) *time.Duration { return &c.Storage.Maintenance.UploadPurging.Age }),
		},
		{
			name: "interval", kind: duration, def: "24h", min: int64(time.Minute), about: "Time between two runs.",
			bind: in(func(c *Config) *time.Duration { return &c.Storage.Maintenance.UploadPurging.Interval }),
		},
		{
			name: "dryrun", kind: boolean, def: "false", about: "Only log what would be removed.",
			bind: in(func(c *Config) *bool { return &c.Storage.Maintenance.UploadPurging.DryRun }),
		},
	}},
	{name: "readonly", kind: section, about: "Refusal of every change.", keys: []*key{{
		name: "enabled", kind: boolean, def: "false", about: "Serve, but change nothing.",
		bind: in(func(c *Config) *bool { return &c.Storage.Maintenance.ReadOnly.Enabled }),
	}}},
	{name: "gc", kind: section, ours: true, about: "Garbage collection, while the server serves.", keys: []*key{
		{
			name: "interval", kind: duration, def: "24h", ours: true, about: "Time between two runs; 0: only on demand.",
			bind: in(func(c *Config) *time.Duration { return &c.Storage.Maintenance.GC.Interval }),
		},
		{
			name: "window", kind: duration, def: "2h", min: int64(time.Minute), ours: true,
			about: "Minimum age before removal. Must be longer than the longest push.",
			bind:  in(func(c *Config) *time.Duration { return &c.Storage.Maintenance.GC.Window }),
		},
		{
			name: "untagged", kind: duration, def: "never", never: true, ours: true,
			about: "Age at which a manifest that lost its last tag is removed; never: it stays.",
			bind:  in(func(c *Config) *time.Duration { return &c.Storage.Maintenance.GC.Untagged }),
		},
	}},
	{name: "scrub", kind: section, ours: true, about: "Slow verification of everything stored.", keys: []*key{
		{
			name: "interval", kind: duration, def: "168h", ours: true, about: "Time between two runs; 0: only on demand.",
			bind: in(func(c *Config) *time.Duration { return &c.Storage.Maintenance.Scrub.Interval }),
		},
		{
			name: "rate", kind: size, def: "20MiB", min: 1, ours: true, about: "Bytes read per second.",
			bind: in(func(c *Config) *int64 { return &c.Storage.Maintenance.Scrub.Rate }),
		},
	}},
}}

var s3Keys = &key{
	name: "s3", kind: section, option: true,
	about: "A bucket.",
	keys: []*key{
		{
			name: "region", kind: text, about: "Region of the bucket.",
			bind: in(func(c *Config) *string { return &c.Storage.S3.Region }),
		},
		{
			name: "bucket", kind: text, about: "The bucket. Required.",
			bind: in(func(c *Config) *string { return &c.Storage.S3.Bucket }),
		},
		{
			name: "rootdirectory", kind: text, about: "Prefix of every object's name.",
			bind: in(func(c *Config) *string { return &c.Storage.S3.RootDirectory }),
		},
		{
			name: "accesskey", kind: text, about: "Access key ID; without it, the usual AWS credentials chain applies.",
			bind: in(func(c *Config) *string { return &c.Storage.S3.AccessKey }),
		},
		{
			name: "secretkey", kind: secret, about: "Secret of the access key.",
			bind: in(func(c *Config) *Secret { return &c.Storage.S3.SecretKey }),
		},
		{
			name: "sessiontoken", kind: secret, about: "Token of temporary keys.",
			bind: in(func(c *Config) *Secret { return &c.Storage.S3.SessionToken }),
		},
		{
			name: "regionendpoint", kind: text, about: "URL or host:port of the S3 endpoint, if it is not AWS.",
			bind: in(func(c *Config) *string { return &c.Storage.S3.RegionEndpoint }),
		},
		{name: "host", kind: text, about: "Host of the S3 endpoint; with port, the same as regionendpoint and forcepathstyle."},
		{name: "port", kind: integer, min: 1, about: "Port of that host."},
		{
			name: "forcepathstyle", kind: boolean, def: "false", about: "Name the bucket in the path instead of the host name.",
			bind: in(func(c *Config) *bool { return &c.Storage.S3.ForcePathStyle }),
		},
		{
			name: "secure", kind: boolean, def: "true", about: "Use HTTPS if regionendpoint has no scheme.",
			bind: in(func(c *Config) *bool { return &c.Storage.S3.Secure }),
		},
		{
			name: "skipverify", kind: boolean, def: "false", about: "Do not verify the certificate of the S3 endpoint.",
			bind: in(func(c *Config) *bool { return &c.Storage.S3.SkipVerify }),
		},
		{
			name: "encrypt", kind: boolean, def: "false", about: "Server-side encryption.",
			bind: in(func(c *Config) *bool { return &c.Storage.S3.Encrypt }),
		},
		{
			name: "keyid", kind: text, about: "KMS key for the encryption.",
			bind: in(func(c *Config) *string { return &c.Storage.S3.KeyID }),
		},
		{
			name: "chunksize", kind: size, def: "10MiB", min: 5 << 20, about: "Bytes of one part of an upload.",
			bind: in(func(c *Config) *int64 { return &c.Storage.S3.ChunkSize }),
		},
		{
			name: "storageclass", kind: text, about: "Storage class of objects.",
			bind: in(func(c *Config) *string { return &c.Storage.S3.StorageClass }),
		},
		{
			name: "cafile", kind: text, ours: true, about: "PEM file: the CA of the S3 endpoint's certificate.",
			bind: in(func(c *Config) *string { return &c.Storage.S3.CAFile }),
		},
		{
			name: "maxretries", kind: integer, def: "5", ours: true, about: "Retries after a failure of the S3 endpoint.",
			bind: in(func(c *Config) *int { return &c.Storage.S3.MaxRetries }),
		},
		{
			name: "uploadmemory", kind: size, def: "64MiB", min: 5 << 20, ours: true, about: "Bytes held by all uploads at once.",
			bind: in(func(c *Config) *int64 { return &c.Storage.S3.UploadMemory }),
		},
		{name: "v4auth", kind: boolean, status: quiet, about: "Accepted; requests are always signed that way."},
		{name: "accelerate", kind: boolean, status: noted, word: "transfer acceleration is not used", about: "Transfer acceleration."},
		{name: "usedualstack", kind: boolean, status: noted, word: "name the dual-stack address in regionendpoint instead", about: "Dual-stack address."},
		{name: "useragent", kind: text, status: noted, word: "the user agent is fixed", about: "User agent."},
		{name: "objectacl", kind: text, status: noted, word: "objects belong to the bucket's owner", about: "ACL of objects."},
		{name: "loglevel", kind: text, status: noted, word: "log.level covers the S3 client", about: "Log level of the client."},
		{name: "multipartcopychunksize", kind: size, status: noted, word: "the parts of an upload are copied as they are, 16 at once; this changes nothing", about: "Part of a copy."},
		{name: "multipartcopymaxconcurrency", kind: integer, status: noted, word: "the parts of an upload are copied as they are, 16 at once; this changes nothing", about: "Parts at once."},
		{name: "multipartcopythresholdsize", kind: size, status: noted, word: "the parts of an upload are copied as they are, 16 at once; this changes nothing", about: "Least copy in parts."},
	},
}
