//go:build !unix

package apply

import "os"

// openDirectory opens a directory.
func openDirectory(dir string) (*os.File, error) { return os.Open(dir) }

// flock does nothing here: installations are for unix systems.
func flock(*os.File) error { return nil }

func holder(string) string { return "" }
