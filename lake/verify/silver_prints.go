package verify

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/versionlake/versionlake/lake"
)

// silverPlace is a row of silver: of which table, and which line it came from. A line may make one row of each kind.
type silverPlace struct {
	kind byte
	file string
	line int64
}

// Kinds of silver's rows.
const (
	placeEvent         = 'e'
	placeSighting      = 's'
	placeUserBinding   = 'u'
	placeDeviceBinding = 'd'
	placeEnding        = 'x'
)

// table is where a row of this place lies.
func (p *silverPlace) table() lake.TableDefinition {
	switch p.kind {
	case placeEvent:
		return lake.SilverEvents
	case placeSighting:
		return lake.SilverSightings
	}
	return lake.SilverBindings
}

// fingerprint tells equal rows without keeping them.
type fingerprint [16]byte

func fingerprintOf(texts []string, numbers ...int64) fingerprint {
	var buffer []byte
	for _, text := range texts {
		buffer = binary.LittleEndian.AppendUint64(buffer, uint64(len(text)))
		buffer = append(buffer, text...)
	}
	for _, number := range numbers {
		buffer = binary.LittleEndian.AppendUint64(buffer, uint64(number))
	}
	sum := sha256.Sum256(buffer)
	return fingerprint(sum[:16])
}

func eventPrint(row *lake.SilverRow) fingerprint {
	return fingerprintOf([]string{row.EventName, row.SessionID, row.ServiceName, row.UserID, row.Version, row.Device,
		row.OS, row.Model, row.Memory, row.Target, row.Status, row.Duration, row.Feature, row.Code, row.Severity,
		row.Message, row.Source, row.Campaign, row.Experiment, row.Variant}, row.Transaction, row.Time)
}

func sightingPrint(row *lake.SightingRow) fingerprint {
	return fingerprintOf([]string{row.SessionID, row.UserID, row.ServiceName, row.Device, row.Version},
		row.Transaction, row.Time)
}

func bindingPrint(row *lake.BindingRow) fingerprint {
	return fingerprintOf([]string{row.SessionID, row.Value}, row.Transaction, row.Time)
}

func bindingKind(row *lake.BindingRow) byte {
	switch {
	case row.Kind == lake.BindingDevice:
		return placeDeviceBinding
	case row.Value == "":
		return placeEnding
	}
	return placeUserBinding
}
