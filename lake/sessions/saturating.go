package sessions

import "math"

// SaturatingAdd ends at the bounds of int64 rather than beyond them.
func SaturatingAdd(a, b int64) int64 {
	switch sum := a + b; {
	case b > 0 && sum < a:
		return math.MaxInt64
	case b < 0 && sum > a:
		return math.MinInt64
	default:
		return sum
	}
}
