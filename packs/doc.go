// Package packs reads, validates, archives, pushes and pulls packs: the folders that Palette installs
// clusters from.
//
// A pack is a folder with a pack.json (its metadata), a values.yaml (its settings), and optionally
// charts, manifests, a logo and a README. In a registry it is one OCI artifact,
// [<base>/]spectro-packs/archive/<name>:<tag>, with one layer: the folder as a tar.gz titled
// <name>-<version>.tar.gz.
//
//	pack, err := packs.OpenDir("nginx-1.2.3")   // a folder
//	for _, p := range pack.Lint() { … }         // its problems, in the order in which to fix them
//	made, err := packs.Archive(ctx, file, "nginx-1.2.3", nil) // deterministic: the same on any machine
//
//	contents, err := packs.ReadArchive(ctx, layer, packs.Limits{}, nil) // streams; writes nothing to disk
//
//	client, err := packs.NewClient(packs.ClientOptions{Server: "packs.example.com"})
//	pushed, err := client.Push(ctx, packs.PushOptions{Dir: "nginx-1.2.3"})
//
// The server and the command line share this package, so that they agree on what a pack is. It has no
// HTTP handler and no terminal interface. Its input is untrusted: the package never panics on it, and
// reads no more of it than its Limits allow.
package packs
