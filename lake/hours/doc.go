// Package hours brings an hour from its files to the ledger: the plan, its chunks, silver, and the commit of all
// its tables (docs/ARCHITECTURE.md, Hours). Rows of files that left the source are kept here.
package hours
