package ledger

import (
	"reflect"
	"testing"
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// TestStoredRows: a row goes into its table and comes back with all that it has, and no column stays without a value.
func TestStoredRows(t *testing.T) {
	var hour Hour
	fill(t, &hour)
	stored := hour.Stored()
	whole(t, stored)
	if back := hourOf(&stored); back != hour {
		t.Errorf("an hour\n%+v\ncame back as\n%+v", hour, back)
	}
	var file File
	fill(t, &file)
	stored2 := file.Stored()
	whole(t, stored2)
	if back := FileOf(&stored2, file.Hour); back != file {
		t.Errorf("a file\n%+v\ncame back as\n%+v", file, back)
	}
}

// fill gives each field of a row a value of its own.
func fill(t *testing.T, row any) {
	t.Helper()
	fields := reflect.ValueOf(row).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		switch field := fields.Field(i).Addr().Interface().(type) {
		case *string:
			*field = name
		case *int64:
			*field = int64(i + 1)
		case *bool:
			*field = true
		case *telemetry.Hour:
			*field = 459_005 // neither its date nor its hour of the day is zero
		case *time.Time:
			*field = time.UnixMicro(int64(i + 1)).UTC()
		default:
			t.Fatalf("no value for the field %s", name)
		}
	}
}

func whole(t *testing.T, row any) {
	t.Helper()
	fields := reflect.ValueOf(row)
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Errorf("%s: no value comes into %s", fields.Type(), fields.Type().Field(i).Name)
		}
	}
}
