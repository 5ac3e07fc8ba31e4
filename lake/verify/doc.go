// Package verify holds a lake against what package plain says that it must hold, and against the six rules of
// docs/ARCHITECTURE.md: the ledger, the rows of each hour, every version of gold, the daily aggregates, the forgotten.
// It imports nothing of what it checks: only rows, their readers, and whose a row is.
package verify
