// Package ops has the rows of those tables of ops that hours do not write: what people told of releases, what was
// published, what the tables weighed. It knows nothing of tables but the rows.
package ops

import "embed"

// Sources has the comments of the columns.
//
//go:embed *.go
var Sources embed.FS
