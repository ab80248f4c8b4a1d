// Package echo keeps what is typed at a terminal off its screen, from before somebody is asked for a secret until after the last one.
package echo
