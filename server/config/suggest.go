package config

import (
	"slices"
	"strings"

	"packhouse/spelling"
)

// slips maps common mistakes to the right key, if they are in others' documentation or too
// different to be found by spelling.
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

// meant returns the path of the key that an unknown name below parent probably means, or "". It
// tries similar names at the same level, then the same name elsewhere (usually wrong indentation),
// then similar names elsewhere.
func meant(parent *key, parentPath, name string) string {
	here := make([]string, 0, len(parent.keys))
	for _, k := range parent.keys {
		here = append(here, k.name)
	}
	if right, ok := slips[strings.ToLower(name)]; ok && slices.Contains(here, right) {
		return Join(parentPath, right)
	}
	if n := spelling.Nearest(name, here); n != "" {
		return Join(parentPath, n)
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
