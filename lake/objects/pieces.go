package objects

// EvenPieces divides things, in their order, into as few even pieces of work as keep below about a size, so that no
// small rest runs alone.
func EvenPieces[T any](things []T, about int64, size func(T) int64) [][]T {
	total := int64(0)
	for _, thing := range things {
		total += size(thing)
	}
	pieces := max((total+about/2)/about, 1)
	return Pieces(things, max((total+pieces-1)/pieces, 1), size)
}

// Pieces divides things, in their order, into pieces of work: a piece ends once its things have the size of a share.
func Pieces[T any](things []T, share int64, size func(T) int64) (pieces [][]T) {
	start, waiting := 0, int64(0)
	for i, thing := range things {
		if waiting += size(thing); waiting >= share {
			pieces = append(pieces, things[start:i+1:i+1])
			start, waiting = i+1, 0
		}
	}
	if start < len(things) {
		pieces = append(pieces, things[start:])
	}
	return pieces
}
