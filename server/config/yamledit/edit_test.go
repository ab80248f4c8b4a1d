package yamledit

import (
	"testing"
)

func TestApply(t *testing.T) {
	tests := []struct {
		name, before string
		edits        []Edit
		after        string
	}{
		{
			"replace a plain value and keep its comment",
			"version: 0.1\nhttp:\n  addr: :5000   # all interfaces\n  net: tcp\n",
			[]Edit{{Key: "http.addr", Value: "127.0.0.1:5443"}},
			"version: 0.1\nhttp:\n  addr: 127.0.0.1:5443   # all interfaces\n  net: tcp\n",
		},
		{
			"replace a quoted value",
			"version: 0.1\nauth: {htpasswd: {realm: 'it''s # mine', path: \"/a\\\"b\"}}\n",
			[]Edit{{Key: "auth.htpasswd.realm", Value: "x"}, {Key: "auth.htpasswd.path", Value: "/c, d"}},
			"version: 0.1\nauth: {htpasswd: {realm: x, path: '/c, d'}}\n",
		},
		{
			"add sections at the indentation of the file",
			"version: 0.1\nhttp:\n    addr: :5000\n\n# the end\n",
			[]Edit{{Key: "http.tls.certificate", Value: "/c.crt"}, {Key: "http.tls.key", Value: "/c.key"}},
			`version: 0.1
http:
    addr: :5000
    tls:
        certificate: /c.crt
        key: /c.key

# the end
`,
		},
		{
			"add to an empty section",
			"version: 0.1\nhttp: # none yet\nlog:\n  level: info\n",
			[]Edit{{Key: "http.addr", Value: ":5000"}},
			"version: 0.1\nhttp: # none yet\n  addr: :5000\nlog:\n  level: info\n",
		},
		{
			"a bare driver becomes a section",
			"version: 0.1\nstorage: inmemory # for now\nauth: none\n",
			[]Edit{
				{Key: "storage.filesystem.rootdirectory", Value: "/data"},
				{Key: "auth.htpasswd.realm", Value: "r"},
			},
			`version: 0.1
storage: # for now
  filesystem:
    rootdirectory: /data
auth:
  htpasswd:
    realm: r
`,
		},
		{
			"replace a list in block style",
			`version: 0.1
http:
  tls:
    clientcas: # who may come
      # the old one
      - /a
      - /b
    minimumtls: tls1.3
`,
			[]Edit{{Key: "http.tls.clientcas", Value: []string{"/c", "d e"}}},
			"version: 0.1\nhttp:\n  tls:\n    clientcas: [/c, d e] # who may come\n    minimumtls: tls1.3\n",
		},
		{
			"remove a key, and the section it leaves empty",
			`version: 0.1
http:
  addr: :5000
  tls:
    certificate: /a
    key: /b
# after
log: {level: info, formatter: json}
`,
			[]Edit{
				{Key: "http.tls.key", Remove: true},
				{Key: "http.tls.certificate", Remove: true},
				{Key: "log.level", Remove: true},
				{Key: "log.fields", Remove: true},
			},
			"version: 0.1\nhttp:\n  addr: :5000\n# after\nlog: {formatter: json}\n",
		},
		{
			"change the driver",
			"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /data\n  delete: {enabled: true}\n",
			[]Edit{{Key: "storage.inmemory"}, {Key: "storage.filesystem", Remove: true}},
			"version: 0.1\nstorage:\n  delete: {enabled: true}\n  inmemory: {}\n",
		},
		{
			"no line break at the end",
			"version: 0.1\nhttp:\n  addr: :5000",
			[]Edit{{Key: "http.draintimeout", Value: "1m30s"}, {Key: "log.level", Value: "debug"}},
			"version: 0.1\nhttp:\n  addr: :5000\n  draintimeout: 1m30s\nlog:\n  level: debug\n",
		},
		{
			"windows line ends",
			"version: 0.1\r\nhttp:\r\n  addr: :5000\r\n",
			[]Edit{{Key: "http.insecure", Value: true}},
			"version: 0.1\r\nhttp:\r\n  addr: :5000\r\n  insecure: true\r\n",
		},
		{
			"JSON",
			`{"version": 0.1, "http": {"addr": ":5000"}}` + "\n",
			[]Edit{
				{Key: "http.addr", Value: ":1"},
				{Key: "http.tls.certificate", Value: "/c"},
				{Key: "storage.inmemory"},
			},
			`{"version": 0.1, "http": {"addr": ":1", "tls": {"certificate": "/c"}}, "storage": {"inmemory": {}}}` + "\n",
		},
		{
			"JSON on lines",
			`{
  "version": 0.1,
  "auth": {
    "htpasswd": {
      "roles": {
        "admin": [
          "ann",
          "bob"
        ]
      }
    }
  }
}
`,
			[]Edit{
				{Key: "auth.htpasswd.roles.admin", Value: []string{"ann", "cleo"}},
				{Key: "auth.htpasswd.roles.writer", Value: []string{"<ci>"}},
				{Key: "http.insecure", Value: true},
				{Key: "http.draintimeout", Value: "1m"},
				{Key: "http.secret", Value: "no"},
			},
			`{
  "version": 0.1,
  "auth": {
    "htpasswd": {
      "roles": {
        "admin": [
          "ann",
          "cleo"
          
        ], "writer": ["<ci>"]
      }
    }
  }, "http": {"insecure": true, "draintimeout": "1m", "secret": "no"}
}
`,
		},
		{
			"comments of a list in block style",
			`version: 0.1
auth:
  htpasswd:
    roles:
      writer: # who pushes
        # the builder
        - ci # since 2024
        - bob # left
        # people
        - ann
        # - carol
    realm: r
`,
			[]Edit{{Key: "auth.htpasswd.roles.writer", Value: []string{"ci", "ann", "dave"}}},
			`version: 0.1
auth:
  htpasswd:
    roles:
      writer: # who pushes
        # the builder
        - ci # since 2024
        # people
        - ann
        - dave
        # - carol
    realm: r
`,
		},
		{
			"comments of a list in brackets",
			`version: 0.1
auth:
  htpasswd:
    roles:
      writer: [ # who pushes
        ci, # the builder
        bob, # left
        ann, # the boss
        eve # gone
      ] # end
`,
			[]Edit{{Key: "auth.htpasswd.roles.writer", Value: []string{"ci", "ann", "dave"}}},
			`version: 0.1
auth:
  htpasswd:
    roles:
      writer: [ # who pushes
        ci, # the builder
        ann, # the boss
        dave
         # gone
      ] # end
`,
		},
		{
			"items of a list on one line",
			"version: 0.1\nauth: {htpasswd: {roles: {admin: [a, 'b', c], writer: [x, y]}}}\n",
			[]Edit{
				{Key: "auth.htpasswd.roles.admin", Value: []string{"b", "d, e"}},
				{Key: "auth.htpasswd.roles.writer", Value: []string{"x"}},
			},
			"version: 0.1\nauth: {htpasswd: {roles: {admin: ['b', 'd, e'], writer: [x]}}}\n",
		},
		{
			"a list in another order",
			"version: 0.1\nauth: {htpasswd: {roles: {admin: [a, b]}}}\n",
			[]Edit{{Key: "auth.htpasswd.roles.admin", Value: []string{"b", "a"}}},
			"version: 0.1\nauth: {htpasswd: {roles: {admin: [b, a]}}}\n",
		},
		{
			"a text after a block of text",
			`version: 0.1
auth:
  htpasswd:
    path: /x
    realm: |-
      one

      two

# end
`,
			[]Edit{{Key: "auth.htpasswd.roles.writer", Value: []string{"ci"}}},
			`version: 0.1
auth:
  htpasswd:
    path: /x
    realm: |-
      one

      two
    roles:
      writer: [ci]

# end
`,
		},
		{
			"rules",
			"version: 0.1\nauth:\n  htpasswd: {realm: r, path: /p}\n",
			[]Edit{
				{Key: "auth.htpasswd.rules", Value: []map[string]any{
					{"repositories": "team-a/**", "users": []string{"a"}, "role": "writer"},
				}},
			},
			`version: 0.1
auth:
  htpasswd: {realm: r, path: /p, rules: [{repositories: team-a/**, role: writer, users: [a]}]}
`,
		},
		{
			"a list at the indentation of its key",
			"version: 0.1\nhttp:\n  trustedproxies:\n  - 10.0.0.0/8\n  addr: :5000\n",
			[]Edit{{Key: "http.trustedproxies", Value: []string{}}},
			"version: 0.1\nhttp:\n  trustedproxies: []\n  addr: :5000\n",
		},
		{
			"a list that ends with nothing",
			"version: 0.1\nhttp:\n  trustedproxies:\n    - a\n    -\n\n# end\nlog:\n  level: info\n",
			[]Edit{{Key: "http.addr", Value: ":1"}},
			`version: 0.1
http:
  trustedproxies:
    - a
    -
  addr: :1

# end
log:
  level: info
`,
		},
		{
			"remove a list that ends with nothing",
			"version: 0.1\nhttp:\n  addr: :1\n  trustedproxies:\n    - a\n    -\n\n# end\n",
			[]Edit{{Key: "http.trustedproxies", Remove: true}},
			"version: 0.1\nhttp:\n  addr: :1\n\n# end\n",
		},
		{
			"an empty file", "# nothing yet\n",
			[]Edit{{Key: "version", Value: 0.1}},
			"# nothing yet\nversion: 0.1\n",
		},
		{
			"values that look like something else",
			"version: 0.1\nstorage: {s3: {}}\nhttp:\n",
			[]Edit{{Key: "storage.s3.secretkey", Value: "0123456"}, {Key: "http.secret", Value: "no"}},
			"version: 0.1\nstorage: {s3: {secretkey: \"0123456\"}}\nhttp:\n  secret: \"no\"\n",
		},
		{
			"nothing to change",
			"version: 0.1\nhttp: {addr:   ':5000'}\n",
			[]Edit{{Key: "http.addr", Value: ":5000"}, {Key: "http.tls", Remove: true}},
			"version: 0.1\nhttp: {addr:   ':5000'}\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Apply([]byte(tt.before), tt.edits, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.after {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.after)
			}
		})
	}
}
