// Package status sums up a lake from the metadata of its tables and the ledger.
package status
