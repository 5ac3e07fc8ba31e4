// Package ledger knows what was read and when: the hours and files of ops.hours and ops.files, what reconcile
// found, what was dropped on purpose, and, of the logs of silver's snapshots, how far every run in them is over.
package ledger
