package verify

import (
	"context"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/plain"
)

// sessionFact is a row of a session: one of the three.
type sessionFact struct {
	Event    *lake.SilverRow
	Sighting *lake.SightingRow
	Binding  *lake.BindingRow
}

// eachSession brings together the rows of silver that belong to a session. doing is what progress says.
func (v *verifier) eachSession(ctx context.Context, doing string, events, sightings, bindings []iceberg.DataFile,
	each func(*plain.Session) error) error {
	facts, err := objects.NewPartitions(v.lake.Objects.Scratch,
		lake.CountOf(events)+lake.CountOf(sightings)+lake.CountOf(bindings))
	if err != nil {
		return err
	}
	defer facts.Close()
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverEvents.Name}, events,
		func(row *lake.SilverRow) error { return facts.Add(row.SessionID, sessionFact{Event: row}) }); err != nil {
		return err
	}
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverBindings.Name}, bindings,
		func(row *lake.BindingRow) error { return facts.Add(row.SessionID, sessionFact{Binding: row}) }); err != nil {
		return err
	}
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverSightings.Name}, sightings,
		func(row *lake.SightingRow) error { return facts.Add(row.SessionID, sessionFact{Sighting: row}) }); err != nil {
		return err
	}
	for part := range facts.Len() {
		v.progress(doing, part, facts.Len(), "parts")
		bySession := map[string]*plain.Session{}
		of := func(id string) *plain.Session {
			if bySession[id] == nil {
				bySession[id] = &plain.Session{ID: id}
			}
			return bySession[id]
		}
		if err := objects.EachSpilled(ctx, facts, part, func(fact sessionFact) error {
			switch {
			case fact.Event != nil:
				s := of(fact.Event.SessionID)
				s.Events = append(s.Events, *fact.Event)
			case fact.Sighting != nil:
				s := of(fact.Sighting.SessionID)
				s.Sightings = append(s.Sightings, *fact.Sighting)
			default:
				s := of(fact.Binding.SessionID)
				s.Bindings = append(s.Bindings, *fact.Binding)
			}
			return nil
		}); err != nil {
			return err
		}
		for _, s := range bySession {
			if err := each(s); err != nil {
				return err
			}
		}
	}
	return nil
}
