// Package config loads myconfig.yml and the REGISTRY_* variables.
//
// The format is version 0.1 of CNCF distribution as used by pack registries, so files and container
// commands written for either work unchanged. It is parsed strictly: an unknown key, a duplicate
// key or a wrong type is an error with file, line, column, cause and remedy. All errors are
// reported together.
//
//	loaded, err := config.Load(config.Source{Path: "/etc/packhouse/myconfig.yml", Env: os.Environ()})
//
// Load reads only the file, the variables, and the files that …_FILE variables name.
// [Loaded.Verify] also checks what the configuration refers to: certificate and key, the htpasswd
// file, the storage directory, the ports.
//
// # Schema
//
// Everything is derived from one schema (schema.go and schema_*.go): the keys with their types,
// defaults, permitted values and meaning, the names of the variables, the output of [Loaded.Show],
// [SchemaJSON] for editors, and docs/configuration.md. Keys that are accepted without effect, or
// refused, have an explanation.
//
// # Secrets
//
// Findings, Show and ShowJSON never contain the value of a secret key. [Secret] prints as REDACTED.
package config
