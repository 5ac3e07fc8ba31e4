// Package gold keeps gold.users, one row per user, and gold.versions: a round plans what changed in silver, merges
// it and commits it with its tags (docs/ARCHITECTURE.md, Gold). It also answers from them.
package gold
