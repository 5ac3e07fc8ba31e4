//go:build unix

package main

import "syscall"

// ownerOnlyFor is ownerOnly until what it returns is called.
func ownerOnlyFor() func() {
	before := syscall.Umask(0o077)
	syscall.Umask(before)
	ownerOnly()
	return func() { syscall.Umask(before) }
}
