// Package maintain keeps a lake small: it puts files together, rewrites manifests, expires snapshots, sweeps away
// what nothing names, and drops old hours (docs/ARCHITECTURE.md, Maintenance).
package maintain
