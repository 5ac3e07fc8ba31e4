// Package daycounts sums what the daily aggregates count, by the keys of their rows.
package daycounts
