//go:build !linux && !darwin

package checks

import "errors"

// UsedShare is how full the disk of a folder is; this system does not tell.
func UsedShare(string) (float64, error) { return 0, errors.ErrUnsupported }
