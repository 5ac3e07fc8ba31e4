// Package sessions brings the sightings and bindings of each session together, and says what they mean for users
// and devices (docs/ARCHITECTURE.md, Identity).
package sessions
