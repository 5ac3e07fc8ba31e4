// Package faults lets the calls of tests to disk and source fail, and their processes die.
package faults
