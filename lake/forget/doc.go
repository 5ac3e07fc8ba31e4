// Package forget takes a user out of every version of every table, and proves it (docs/ERASURE.md).
// Whose a row is, package forgotten says.
package forget
