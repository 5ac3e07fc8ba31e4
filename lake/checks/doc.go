// Package checks finds out what is wrong with a lake, or looks unlike it did before: it reads the ledger, tables' metadata
// and the daily aggregates, and never a line of a user. What it finds has figures, limits and words, and no id of a
// user or a session.
package checks
