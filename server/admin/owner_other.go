//go:build !unix

package admin

// ours is for systems whose users and modes say who may write where.
func ours(string) error { return nil }
