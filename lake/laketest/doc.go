// Package laketest has what tests of the lake share: a world of telemetry, an ingester that takes the steps of the
// workflows in one process, faults, and checks of a lake as a whole.
package laketest
