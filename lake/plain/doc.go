// Package plain says once more, in the plainest way there is, what the tables must hold: silver's rows of a line,
// whose a row is, the row of a user, the counts of a date. It is the second implementation of the rules of
// docs/ARCHITECTURE.md and docs/METRICS.md, works on rows in memory, and shares only the types of rows, the parser
// and the order of versions with what it is held against (package verify does that).
package plain
