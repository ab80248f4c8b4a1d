// Package racetest shortens tests that run with the race detector. It is for tests only.
//
// The detector makes code ten times as slow. A simulation that tries thousands of cases, one after
// another, runs a few of them with it and all of them without it. `make test` therefore tests every
// package whose tests import this one a second time, without the detector.
package racetest

// Sample returns the first value without the race detector and the second with it. Both are
// typically the number of cases, or the step from one case to the next.
func Sample[T any](all, few T) T {
	if enabled {
		return few
	}
	return all
}
