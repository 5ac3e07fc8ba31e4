package hours

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// silverStage writes the silver files of some sections.
type silverStage struct {
	run       lake.Run
	plan      *StagedPlan
	staged    SilverFiles
	events    *lake.DataWriter[lake.SilverRow]
	sightings *lake.DataWriter[lake.SightingRow]
	bindings  *lake.DataWriter[lake.BindingRow]

	order        []objects.Keyed[candidate]
	like         alike
	eventRows    []lake.SilverRow
	sightingRows []lake.SightingRow
	bindingRows  []lake.BindingRow
}

// StageSilver gathers some sections of all chunks, drops exact repeats, and writes the hour's silver files for
// them, uncommitted.
func StageSilver(ctx context.Context, l *lake.Lake, run lake.Run, plan Plan, chunks []StagedChunk,
	sections Sections, progress func(done int)) (result StagedSilver, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("build silver of hour %s: %w", run.Hour, err)
		}
	}()
	var staged StagedPlan
	if err := ReadPlan(l, plan, &staged); err != nil {
		return StagedSilver{}, err
	}
	written, err := shufflesOf(l, chunks)
	if err != nil {
		return StagedSilver{}, err
	}
	shuffles, err := l.Objects.OpenShuffles(written)
	if err != nil {
		return StagedSilver{}, err
	}
	defer shuffles.Close()

	s := &silverStage{run: run, plan: &staged}
	if s.events, err = lake.NewDataWriter[lake.SilverRow](l, lake.SilverEvents,
		lake.SilverEvents.At(run.Hour)); err != nil {
		return StagedSilver{}, err
	}
	if s.sightings, err = lake.NewDataWriter[lake.SightingRow](l, lake.SilverSightings,
		lake.SilverSightings.At(run.Hour)); err != nil {
		return StagedSilver{}, err
	}
	if s.bindings, err = lake.NewDataWriter[lake.BindingRow](l, lake.SilverBindings,
		lake.SilverBindings.At(run.Hour)); err != nil {
		return StagedSilver{}, err
	}
	defer func() {
		if err != nil {
			s.events.Abort()
			s.sightings.Abort()
			s.bindings.Abort()
		}
	}()
	small := freeSections.Get().(*smallSection)
	defer freeSections.Put(small)
	for section := sections.From; section < sections.To; section++ {
		if err := ctx.Err(); err != nil {
			return StagedSilver{}, err
		}
		if shuffles.Bytes(section) > objects.LargeSection {
			err = s.large(ctx, l, shuffles, section)
		} else {
			err = small.read(s, shuffles, section)
		}
		if err != nil {
			return StagedSilver{}, fmt.Errorf("section %d of the shuffle: %w", section, err)
		}
		progress(section + 1 - sections.From)
	}
	if result, err = s.close(l, run, sections); err != nil {
		return StagedSilver{}, err
	}
	stale, err := forgotten.WithdrawIfStale(ctx, l, staged.Erasures, s.staged.Files, nil)
	return result, errors.Join(err, forgotten.StaleIf(stale))
}

func (s *silverStage) section(candidates []candidate) error {
	s.like.first = nil
	// Candidates are large: their places are sorted, not they.
	s.order = s.order[:0]
	for i := range candidates {
		s.order = append(s.order, objects.Keyed[candidate]{Key: candidates[i].key, Value: &candidates[i]})
	}
	objects.SortKeyed(s.order, (*candidate).compare)
	for _, c := range s.order {
		s.add(c.Value)
	}
	return s.write()
}

// add makes the rows of a candidate, which comes after all others that are before it in their order.
func (s *silverStage) add(c *candidate) {
	if s.like.repeats(c) {
		return
	}
	if c.kind != telemetry.KindOther {
		s.eventRows = append(s.eventRows, s.eventRow(c))
	}
	if version := c.attributes[telemetry.AttributeVersion]; c.kind == telemetry.KindSoftwareVersion &&
		version != "" {
		s.sightingRows = append(s.sightingRows, s.sightingRow(c, version))
	}
	if c.session == "" {
		return // it binds nobody
	}
	user := c.attributes[telemetry.AttributeUser]
	if user != "" {
		s.bindingRows = append(s.bindingRows, s.bindingRow(c, lake.BindingUser, user))
	}
	if c.kind == telemetry.KindLogout || c.kind == telemetry.KindLogin && user == "" {
		s.bindingRows = append(s.bindingRows, s.bindingRow(c, lake.BindingUser, ""))
	}
	if device := c.attributes[telemetry.AttributeDevice]; c.kind == telemetry.KindDeviceInfo && device != "" {
		s.bindingRows = append(s.bindingRows, s.bindingRow(c, lake.BindingDevice, device))
	}
}

// write hands on the rows that were made.
func (s *silverStage) write() error {
	err := s.events.Append(s.eventRows, 256*len(s.eventRows))
	if err == nil {
		err = s.sightings.Append(s.sightingRows, 128*len(s.sightingRows))
	}
	if err == nil {
		err = s.bindings.Append(s.bindingRows, 128*len(s.bindingRows))
	}
	s.eventRows, s.sightingRows, s.bindingRows = s.eventRows[:0], s.sightingRows[:0], s.bindingRows[:0]
	return err
}

func (s *silverStage) eventRow(c *candidate) lake.SilverRow {
	a := &c.attributes
	return lake.SilverRow{
		EventName: c.kind.String(), SessionID: c.session, Transaction: c.transaction, ServiceName: c.service,
		Time:   c.time,
		UserID: a[telemetry.AttributeUser], Device: a[telemetry.AttributeDevice],
		Version: a[telemetry.AttributeVersion],
		OS:      a[telemetry.AttributeOS], Model: a[telemetry.AttributeModel], Memory: a[telemetry.AttributeMemory],
		Target: a[telemetry.AttributeTarget], Status: a[telemetry.AttributeStatus],
		Duration: a[telemetry.AttributeDuration],
		Feature:  a[telemetry.AttributeFeature], Code: a[telemetry.AttributeCode],
		Severity: a[telemetry.AttributeSeverity],
		Message:  a[telemetry.AttributeMessage], Source: a[telemetry.AttributeSource],
		Campaign:   a[telemetry.AttributeCampaign],
		Experiment: a[telemetry.AttributeExperiment], Variant: a[telemetry.AttributeVariant],
		FileName: s.plan.Files[c.file].Key, LineNumber: c.line, IngestDate: s.run.Hour.Date(),
		IngestHourOfDay: s.run.Hour.OfDay(),
	}
}

func (s *silverStage) sightingRow(c *candidate, version string) lake.SightingRow {
	return lake.SightingRow{
		SessionKey: c.key, SessionID: c.session, UserID: c.attributes[telemetry.AttributeUser], ServiceName: c.service,
		Device: c.attributes[telemetry.AttributeDevice], Version: version, Time: c.time, Transaction: c.transaction,
		FileName: s.plan.Files[c.file].Key, LineNumber: c.line, IngestDate: s.run.Hour.Date(),
		IngestHourOfDay: s.run.Hour.OfDay(),
	}
}

func (s *silverStage) bindingRow(c *candidate, kind, value string) lake.BindingRow {
	return lake.BindingRow{
		SessionKey: c.key, SessionID: c.session, Kind: kind, Value: value, Time: c.time, Transaction: c.transaction,
		FileName: s.plan.Files[c.file].Key, LineNumber: c.line, IngestDate: s.run.Hour.Date(),
		IngestHourOfDay: s.run.Hour.OfDay(),
	}
}

func (s *silverStage) close(l *lake.Lake, run lake.Run, sections Sections) (StagedSilver, error) {
	result := StagedSilver{Events: s.events.Written, Sightings: s.sightings.Written, Bindings: s.bindings.Written}
	name := fmt.Sprintf("%s-s%04d-%d", lake.ShortID(run.ID), sections.From, time.Now().UnixNano())
	staged := &s.staged
	for _, closeFile := range []func(string) (*lake.DataFile, error){s.events.Close, s.sightings.Close,
		s.bindings.Close} {
		file, err := closeFile(name)
		if err != nil {
			return StagedSilver{}, err
		}
		if file != nil {
			staged.Files = append(staged.Files, *file)
		}
	}
	result.Ref = fmt.Sprintf("%s/%s.json", staging(l, run), name)
	return result, l.Objects.WriteJSON(result.Ref, staged)
}

// shufflesOf are the shares of the shuffle that chunks wrote.
func shufflesOf(l *lake.Lake, chunks []StagedChunk) ([]objects.Shuffled, error) {
	shuffles := make([]objects.Shuffled, len(chunks))
	for i, chunk := range chunks {
		var staged ChunkFiles
		if err := l.Objects.ReadJSON(chunk.Ref, &staged); err != nil {
			return nil, err
		}
		shuffles[i] = staged.Shuffle
	}
	return shuffles, nil
}

// within tells whether a slice lies inside another's array.
func within(inner, outer []byte) bool {
	start, end := uintptr(unsafe.Pointer(unsafe.SliceData(outer))), uintptr(len(outer))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(inner)))
	return at >= start && at < start+end
}
