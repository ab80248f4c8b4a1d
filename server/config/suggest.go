package config

import (
	"slices"
	"strings"

	"packhouse/spelling"
)

// slips are mistakes that documentation of others has printed, or that are too far from the right word to be found by their letters.
var slips = map[string]string{
	"httppasswd": "htpasswd",
	"htpassword": "htpasswd",
	"cert":       "certificate",
	"crt":        "certificate",
	"rootdir":    "rootdirectory",
	"minversion": "minimumtls",
	"file":       "filesystem",
	"local":      "filesystem",
	"memory":     "inmemory",
	"aws":        "s3",
	"minio":      "s3",
	"address":    "addr",
	"listen":     "addr",
	"basic":      "htpasswd",
	"logging":    "log",
	"timeout":    "draintimeout",
	"privatekey": "key",
}

// meant returns the full path of the key that an unknown name below parent most probably means, or "". Names of the same level go first,
// then a key of exactly that name elsewhere (the usual case: indentation), then a similar one elsewhere.
func meant(parent *key, parentPath, name string) string {
	here := make([]string, 0, len(parent.keys))
	for _, k := range parent.keys {
		here = append(here, k.name)
	}
	if right, ok := slips[strings.ToLower(name)]; ok && slices.Contains(here, right) {
		return join(parentPath, right)
	}
	if n := spelling.Nearest(name, here); n != "" {
		return join(parentPath, n)
	}
	var exact string
	var names []string
	paths := map[string]string{}
	walk(root, "", func(path string, k *key) {
		if strings.EqualFold(k.name, name) && exact == "" {
			exact = path
		}
		if _, seen := paths[k.name]; !seen {
			paths[k.name] = path
			names = append(names, k.name)
		}
	})
	if exact != "" {
		return exact
	}
	if right, ok := slips[strings.ToLower(name)]; ok {
		return paths[right]
	}
	return paths[spelling.Nearest(name, names)]
}
