// Package versionkeys keeps gold.versions, the dictionary by which SQL orders versions (docs/ARCHITECTURE.md,
// Gold): a row for each version that a sighting or a history names, with its keys.
package versionkeys
