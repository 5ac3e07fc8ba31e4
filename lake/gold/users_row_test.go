package gold

import (
	"reflect"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
)

// TestUserRowForm holds the hand-written form of rows against the schema's own.
func TestUserRowForm(t *testing.T) {
	to := int64(20)
	stored := lake.UserRow{
		UserID: "p1", UserKind: "user", FirstSeenAt: 10, LastSeenAt: 30, CurrentService: "ClientApp",
		CurrentVersion: "1.23",
		CurrentSince:   20, PreviousVersion: "1.22.03", VersionCount: 2,
		History: []lake.IntervalRow{
			{Service: "ClientApp", Version: "1.22.03", ValidFrom: 10, ValidTo: &to, LastSeenAt: 12, Sightings: 3,
				IsDowngrade: new(false)},
			{Service: "ClientApp", Device: "Gameboy", Version: "1.23", ValidFrom: 20, LastSeenAt: 30, Sightings: 1,
				IsDowngrade: new(true)},
			{Service: "ClientApp", Device: "Watch", Version: "odd", ValidFrom: 20, LastSeenAt: 30, Sightings: 1},
		},
	}
	user := history.User{
		ID: "p1", Kind: "user", FirstSeenAt: 10, LastSeenAt: 30, CurrentService: "ClientApp", CurrentVersion: "1.23",
		CurrentSince: 20, PreviousVersion: "1.22.03", HasPreviousVersion: true, VersionCount: 2,
		History: []history.Interval{
			{Service: "ClientApp", Version: "1.22.03", ValidFrom: 10, ValidTo: 20, LastSeenAt: 12, Sightings: 3},
			{Service: "ClientApp", Device: "Gameboy", HasDevice: true, Version: "1.23", ValidFrom: 20, Open: true,
				LastSeenAt: 30, Sightings: 1, IsDowngrade: true},
			{Service: "ClientApp", Device: "Watch", HasDevice: true, Version: "odd", ValidFrom: 20, Open: true,
				LastSeenAt: 30, Sightings: 1, NotComparable: true},
		},
	}
	want := userSchema.Deconstruct(nil, &stored)
	got := appendUser(nil, &user)
	if !got.Equal(want) || !sameLevels(got, want) {
		t.Errorf("row\n%+v\nis not\n%+v", got, want)
	}
	back, err := userOf(want, copied)
	if err != nil || !reflect.DeepEqual(back, user) {
		t.Errorf("user %+v, %v", back, err)
	}
	before := int64(0)
	stored.IntervalsCut, stored.CutBefore, user.IntervalsCut = 7, &before, 7
	want, got = userSchema.Deconstruct(nil, &stored), appendUser(nil, &user)
	if back, err := userOf(want, copied); !got.Equal(want) || !sameLevels(got, want) || err != nil ||
		!reflect.DeepEqual(back, user) {
		t.Errorf("a row that was cut\n%+v\nis not\n%+v, read back as %+v, %v", got, want, back, err)
	}
	if _, err := userOf(want[:13], copied); err == nil {
		t.Error("a row cut short was read")
	}
}

func sameLevels(a, b parquet.Row) bool {
	for i := range a {
		if a[i].RepetitionLevel() != b[i].RepetitionLevel() || a[i].DefinitionLevel() != b[i].DefinitionLevel() ||
			a[i].Column() != b[i].Column() {
			return false
		}
	}
	return true
}
