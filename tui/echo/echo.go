// Package echo disables the echo of a terminal while a program asks for secrets.
package echo
