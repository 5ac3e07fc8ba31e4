//go:build unix

package main

import "syscall"

// ownerOnlyFor is ownerOnly, of a process that lets everybody do all, until what it returns is called.
func ownerOnlyFor() func() {
	before := syscall.Umask(0)
	ownerOnly()
	return func() { syscall.Umask(before) }
}
