// Package checks holds lakes of tests as a whole against what must be: by naive recomputations, by verify, and by what
// a person expects of a story.
package checks
