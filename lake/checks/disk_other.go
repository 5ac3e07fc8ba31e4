//go:build !linux && !darwin

package checks

import "errors"

func usedShare(string) (float64, error) { return 0, errors.ErrUnsupported }
