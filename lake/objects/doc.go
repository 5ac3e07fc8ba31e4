// Package objects reads and writes the bytes of the warehouse, on local disk and on S3, and spills records to
// scratch files by section, so that what does not fit into memory is gathered, sorted or joined piece by piece. It
// knows no tables.
package objects
