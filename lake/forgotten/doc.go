// Package forgotten knows whom the lake must not hold any more, by keyed hashes, and which rows are theirs: an hour
// asks it before it writes, and an erasure takes rows out by it (docs/ERASURE.md).
package forgotten
