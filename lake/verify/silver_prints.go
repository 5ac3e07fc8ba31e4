package verify

import (
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

func bindingKind(row *lake.BindingRow) byte {
	switch {
	case row.Kind == lake.BindingDevice:
		return placeDeviceBinding
	case row.Value == "":
		return placeEnding
	}
	return placeUserBinding
}
