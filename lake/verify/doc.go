// Package verify is the second implementation of what the lake computes, and the check of its rules. It is plain on
// purpose: of what it checks it shares the tables, the readers of rows, the parser of lines and the order of
// versions, and nothing else. It may be slower; its memory is bounded by passes and by spills to local disk.
package verify
