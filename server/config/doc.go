// Package config reads myconfig.yml and the REGISTRY_* variables.
//
// The format is 0.1 of CNCF distribution as pack registries use it, so a file or a container line written for either starts here. It is
// read strictly: an unknown key, a duplicate key or a wrong type is an error that names file, line and column, says what is wrong and what
// to do. All errors are told at once.
//
//	loaded, err := config.Load(config.Source{Path: "/etc/packhouse/myconfig.yml", Env: os.Environ()})
//
// Load looks at nothing but the file, the variables and the files that …_FILE variables name. [Loaded.Verify] goes on to what the
// configuration points at: certificate and key, the htpasswd file, the storage directory, the ports.
//
// # One table
//
// Everything is derived from one table of keys (schema.go and its neighbours): which keys exist, their types, defaults, permitted values
// and meaning, the names of the variables, what [Loaded.Show] prints, [SchemaJSON] for editors and docs/configuration.md for people. A key
// that is accepted without effect carries the sentence that says so, and so does a key that is refused.
//
// # Secrets
//
// The value of a secret key is never part of a problem, of Show or of ShowJSON. [Secret] prints itself as REDACTED.
package config
