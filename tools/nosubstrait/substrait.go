// Package substrait stands in for github.com/substrait-io/substrait, whose list of functions in YAML iceberg-go parses
// at the start of every program that links it: most of the CPU of a short command. It needs them where it filters rows by
// Arrow, which nobody here asks for: files are read by parquet-go. TestNoRowsByArrow holds that.
package substrait

import "embed"

//go:embed extensions/none.yaml
var extensions embed.FS

// GetSubstraitExtensionsFS has an extension of Substrait without a function: its readers want one.
func GetSubstraitExtensionsFS() embed.FS { return extensions }
