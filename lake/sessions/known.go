package sessions

import (
	"strings"

	"github.com/versionlake/versionlake/history"
)

// Known is what is known of a session, for whoever resolves its events: whose it is, on which device, and what its
// sightings tell.
type Known struct {
	Rows  int // that it was made of
	bound Bound
	// What sightings tell, by service, looked up as bindings are.
	services []sighted
}

type sighted struct {
	service           string
	versions, devices history.Timeline
}

// Saying is what an event says of itself: "" where it says nothing.
type Saying struct{ User, Device, Version string }

// Complete fills in what an event does not say itself, as of its time. The device of a sighting is not told by others.
func (k *Known) Complete(said *Saying, service string, time int64, isSighting bool) {
	if said.User == "" {
		said.User, _ = k.bound.Users.Resolve(time)
	}
	if said.Device == "" {
		said.Device, _ = k.bound.Devices.Resolve(time)
	}
	if said.Device != "" && said.Version != "" {
		return
	}
	for i := range k.services {
		of := &k.services[i]
		if of.service != service {
			continue
		}
		if said.Device == "" && !isSighting {
			said.Device, _ = of.devices.Resolve(time)
		}
		if said.Version == "" {
			said.Version, _ = of.versions.Resolve(time)
		}
	}
}

// Reset forgets all, and keeps the room that it took.
func (k *Known) Reset() {
	k.bound.Users.Reset()
	k.bound.Devices.Reset()
	k.services, k.Rows = k.services[:0], 0
}

// Own lets it outlive the rows that it was made of.
func (k *Known) Own() {
	k.bound.Users.Own()
	k.bound.Devices.Own()
	for i := range k.services {
		of := &k.services[i]
		of.service = strings.Clone(of.service)
		of.versions.Own()
		of.devices.Own()
	}
}

// Link is for when all rows are taken.
func (k *Known) Link() { k.bound.Users.Link() }

// TakeSorted takes sorted rows of a session.
func (k *Known) TakeSorted(rows []SessionRow) {
	for _, sightings := range [...]bool{false, true} {
		for i := range rows {
			if (rows[i].Kind == 's') == sightings {
				k.Take(&rows[i])
			}
		}
	}
}

// Take takes a session's next row: bindings in the order of events, then sightings in theirs.
func (k *Known) Take(row *SessionRow) {
	k.Rows++
	switch row.Kind {
	case 'u':
		k.bound.Users.Add(row.Value, row.Ends(), row.Time)
		return
	case 'd':
		k.bound.Devices.Add(row.Value, false, row.Time)
		return
	}
	at := 0
	for at < len(k.services) && k.services[at].service != row.Service {
		at++
	}
	if at == len(k.services) {
		if at < cap(k.services) { // with the room of an earlier one
			k.services = k.services[:at+1]
			k.services[at].versions.Reset()
			k.services[at].devices.Reset()
		} else {
			k.services = append(k.services, sighted{})
		}
		k.services[at].service = row.Service
	}
	k.services[at].versions.Add(row.Value, false, row.Time)
	device := row.Device
	if device == "" {
		device, _ = k.bound.Devices.Resolve(row.Time)
	}
	k.services[at].devices.Add(device, false, row.Time)
}
