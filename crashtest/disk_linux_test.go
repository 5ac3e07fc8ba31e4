package crashtest

import "syscall"

// mountSmall mounts a disk of 64 MiB, which takes rights.
func mountSmall(dir string) error { return syscall.Mount("none", dir, "tmpfs", 0, "size=64m") }

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
