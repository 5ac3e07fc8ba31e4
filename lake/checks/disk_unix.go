//go:build linux || darwin

package checks

import "syscall"

// UsedShare is how full the disk of a folder is, as df tells it.
func UsedShare(folder string) (float64, error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(folder, &disk); err != nil {
		return 0, err
	}
	used := disk.Blocks - disk.Bfree
	if all := used + disk.Bavail; all > 0 {
		return float64(used) / float64(all), nil
	}
	return 0, syscall.ENOTSUP
}
