// Package verify checks what a configuration refers to: certificates and keys, the htpasswd file,
// the storage, the audit log, the ports, and the permissions of all of them. It also warns about
// settings that are valid but unsafe.
//
//	for _, f := range verify.Run(ctx, loaded, verify.Probes{}) {
//		fmt.Println(f)
//	}
//
// Package config decides whether a configuration is valid by itself. Everything that looks outside
// the file is here.
package verify
