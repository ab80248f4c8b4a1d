// Package packs reads, judges, archives and moves packs: the folders that Palette installs clusters from.
//
// A pack is a folder with a pack.json (who it is), a values.yaml (how it is set), and beside them charts, manifests, a logo and a
// README. In a registry it is one OCI artifact, [<base>/]spectro-packs/archive/<name>:<tag>, with one layer: the folder as a tar.gz
// titled <name>-<version>.tar.gz.
//
//	pack, err := packs.OpenDir("nginx-1.2.3")   // a folder
//	for _, p := range pack.Lint() { … }         // what is wrong with it, in the order in which people fix it
//	made, err := packs.Archive(ctx, file, "nginx-1.2.3", nil) // the same folder gives the same bytes on any machine
//
//	contents, err := packs.ReadArchive(ctx, layer, packs.Limits{}, nil) // a stream out of a registry; nothing touches the disk
//
//	client, err := packs.NewClient(packs.ClientOptions{Server: "packs.example.com"})
//	pushed, err := client.Push(ctx, packs.PushOptions{Dir: "nginx-1.2.3"})
//
// Both doors of a server and the command line share this package, so that all of them agree on what a pack is. It knows no HTTP handler
// and no terminal. Whatever it reads came from somebody else: it never panics on it, and it reads no more of it than its Limits allow.
package packs
