package config

import "time"

var authKeys = &key{
	name: "auth", kind: section, pick: true, about: "Authentication: none, or a section with exactly one method.",
	keys: []*key{
		{
			name: "none", kind: section, option: true,
			about: "Anyone may do everything. Refused beyond this machine unless http.insecure says so.",
		},
		htpasswdKeys,
		{
			name: "token", kind: anything, option: true, status: refused, word: "the methods are htpasswd and none",
			about: "Tokens of a separate service.",
		},
		{
			name: "silly", kind: anything, option: true, status: refused, word: "it accepts any header as proof; the methods are htpasswd and none",
			about: "Test authentication without verification.",
		},
	},
}

var htpasswdKeys = &key{name: "htpasswd", kind: section, option: true, about: "HTTP Basic authentication against a file of bcrypt hashes.", keys: []*key{
	{
		name: "realm", kind: text, about: "Name that clients show when they ask for a password. Required.",
		bind: in(func(c *Config) *string { return &c.Auth.Htpasswd.Realm }),
	},
	{
		name: "path", kind: text, about: "The htpasswd file. Required, and must exist.",
		bind: in(func(c *Config) *string { return &c.Auth.Htpasswd.Path }),
	},
	{name: "roles", kind: section, ours: true, about: "Users with more than the role reader.", keys: []*key{
		{
			name: "admin", kind: list, def: "[admin]", ours: true, about: "Users who may do everything.",
			bind: in(func(c *Config) *[]string { return &c.Auth.Htpasswd.Roles.Admin }),
		},
		{
			name: "writer", kind: list, ours: true, about: "Users who may push.",
			bind: in(func(c *Config) *[]string { return &c.Auth.Htpasswd.Roles.Writer }),
		},
	}},
	{
		name: "rules", kind: entries, ours: true, about: "Roles on some repositories only. With any rule, users are readers only where a rule or role " +
			"says so; without rules, every user with a password reads everything.",
		elements: each(func(c *Config) *[]Rule { return &c.Auth.Htpasswd.Rules }),
		keys: []*key{
			{
				name: "repositories", kind: text, ours: true, about: "Pattern over whole path segments: team-a/** or */base. Required.",
				bind: at(func(r *Rule) *string { return &r.Repositories }),
			},
			{
				name: "users", kind: list, ours: true, about: "The users; \"*\" means every user with a password. Required.",
				bind: at(func(r *Rule) *[]string { return &r.Users }),
			},
			{
				name: "role", kind: text, choices: []string{"reader", "writer", "admin"}, ours: true, about: "Their role there. Required.",
				bind: at(func(r *Rule) *string { return &r.Role }),
			},
		},
	},
	{name: "lockout", kind: section, ours: true, about: "What slows down the guessing of passwords.", keys: []*key{
		{
			name: "attempts", kind: integer, def: "10", min: 1, ours: true, about: "Distinct wrong passwords from one address for one user before further ones are slowed down.",
			bind: in(func(c *Config) *int { return &c.Auth.Htpasswd.Lockout.Attempts }),
		},
		{
			name: "window", kind: duration, def: "5m", min: int64(time.Second), ours: true, about: "Time without further wrong passwords after which the count is reset.",
			bind: in(func(c *Config) *time.Duration { return &c.Auth.Htpasswd.Lockout.Window }),
		},
		{
			name: "delay", kind: duration, def: "1s", ours: true, about: "First pause between two comparisons.",
			bind: in(func(c *Config) *time.Duration { return &c.Auth.Htpasswd.Lockout.Delay }),
		},
		{
			name: "maxdelay", kind: duration, def: "1s", ours: true, about: "Longest pause: the pause doubles up to it with each wrong password. At least delay.",
			bind: in(func(c *Config) *time.Duration { return &c.Auth.Htpasswd.Lockout.MaxDelay }),
		},
	}},
	{
		name: "clientnames", kind: table, ours: true, about: "Names in client certificates, and their users.",
		bind: in(func(c *Config) *map[string]string { return &c.Auth.Htpasswd.ClientNames }),
	},
}}
