// Package substrait stands in for github.com/substrait-io/substrait, whose long lists of functions iceberg-go parses at
// the start of every program that links it: most of the CPU of a short command. It has the functions that iceberg-go
// filters rows by. TestFunctionsOfFilters holds that they are all there, and that iceberg-go still asks for them.
package substrait

import "embed"

//go:embed extensions
var extensions embed.FS

// GetSubstraitExtensionsFS has the lists of functions.
func GetSubstraitExtensionsFS() embed.FS { return extensions }
