// Package events keeps gold.events: the events that matter, each with the user, the device and the version that its
// session tells, resolved once, so that questions need no join.
package events
