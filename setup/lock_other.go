//go:build !unix

package setup

// lock does nothing here: installations are for unix systems.
func lock(string) (unlock func(), err error) { return func() {}, nil }
