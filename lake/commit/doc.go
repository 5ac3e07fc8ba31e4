// Package commit makes staged hours visible, table by table, and the ledger last (docs/ARCHITECTURE.md, Hours).
package commit
