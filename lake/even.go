package lake

// EvenShare divides a total into as few equal shares as keep below about a size, so that no small rest runs alone.
func EvenShare(total, size int64) int64 {
	shares := max((total+size/2)/size, 1)
	return max((total+shares-1)/shares, 1)
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
