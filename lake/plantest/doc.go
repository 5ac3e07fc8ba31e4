// Package plantest takes random worlds through random plans, with faults, kills and erasures, and wants of each plan
// the rows of the plain order.
package plantest
