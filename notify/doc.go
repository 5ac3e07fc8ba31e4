// Package notify tells people and programs what checks found: to whom, how bad it must be and how often at most is written
// in a file of rules, and where the receivers are in variables or files that it names.
package notify
