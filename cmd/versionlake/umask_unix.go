//go:build unix

package main

import "syscall"

// ownerOnly makes whatever this process and its children write readable for its owner alone, Temporal's state and
// Trino's log included: nearly all of it is personal data.
func ownerOnly() { syscall.Umask(0o077) }
