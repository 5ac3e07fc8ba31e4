package ledger

import "github.com/versionlake/versionlake/history"

// WindowMicros is how far a binding reaches, in microseconds.
var WindowMicros = history.DefaultWindow.Microseconds()

// Reaches is how far from a row, by lake.SilverTables, events lie that it counts for: a binding may be that of a
// sighting which tells an event's device.
var Reaches = [...]int64{0, WindowMicros, 2 * WindowMicros}
