package gold

import (
	"fmt"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/objects"
)

// Rows of gold.users in Parquet's own form, by hand: a tenth of the time that reflection takes, and gold rewrites every
// row that changed. TestUserRowForm holds this against the schema.

// Leaf columns of UserRow, in order; the intervals' begin at leafHistory.
const (
	leafUserID = iota
	leafUserKind
	leafFirstSeenAt
	leafLastSeenAt
	leafCurrentService
	leafCurrentDevice
	leafCurrentVersion
	leafCurrentSince
	leafPreviousVersion
	leafVersionCount
	leafHistory
)

const (
	leafService = leafHistory + iota
	leafDevice
	leafVersion
	leafValidFrom
	leafValidTo
	leafIntervalLastSeenAt
	leafSightings
	leafIsDowngrade

	leafIntervalsCut
	leafCutBefore
)

// Values of a row that are no interval's, and those of each interval.
const (
	valuesOfUser     = leafHistory + leafCutBefore - leafIsDowngrade
	valuesOfInterval = leafIsDowngrade - leafHistory + 1
)

func textValue(text string) parquet.Value {
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(text), len(text)))
}

// appendUser appends a user's row; the values alias the user's texts.
func appendUser(row parquet.Row, u *history.User) parquet.Row {
	optional := func(text string, repetition, definition, leaf int) parquet.Value {
		if text == "" {
			return parquet.NullValue().Level(repetition, definition, leaf)
		}
		return textValue(text).Level(repetition, definition+1, leaf)
	}
	row = append(row,
		textValue(u.ID).Level(0, 0, leafUserID),
		textValue(u.Kind).Level(0, 0, leafUserKind),
		parquet.Int64Value(u.FirstSeenAt).Level(0, 0, leafFirstSeenAt),
		parquet.Int64Value(u.LastSeenAt).Level(0, 0, leafLastSeenAt),
		textValue(u.CurrentService).Level(0, 0, leafCurrentService),
		optional(u.CurrentDevice, 0, 0, leafCurrentDevice),
		textValue(u.CurrentVersion).Level(0, 0, leafCurrentVersion),
		parquet.Int64Value(u.CurrentSince).Level(0, 0, leafCurrentSince),
		optional(u.PreviousVersion, 0, 0, leafPreviousVersion),
		parquet.Int64Value(u.VersionCount).Level(0, 0, leafVersionCount))
	for leaf := leafHistory; leaf <= leafIsDowngrade; leaf++ {
		for i := range u.History {
			interval := &u.History[i]
			repetition := min(i, 1)
			var value parquet.Value
			switch leaf {
			case leafService:
				value = textValue(interval.Service).Level(repetition, 1, leaf)
			case leafDevice:
				value = optional(interval.Device, repetition, 1, leaf)
			case leafVersion:
				value = textValue(interval.Version).Level(repetition, 1, leaf)
			case leafValidFrom:
				value = parquet.Int64Value(interval.ValidFrom).Level(repetition, 1, leaf)
			case leafValidTo:
				value = parquet.NullValue().Level(repetition, 1, leaf)
				if !interval.Open {
					value = parquet.Int64Value(interval.ValidTo).Level(repetition, 2, leaf)
				}
			case leafIntervalLastSeenAt:
				value = parquet.Int64Value(interval.LastSeenAt).Level(repetition, 1, leaf)
			case leafSightings:
				value = parquet.Int64Value(interval.Sightings).Level(repetition, 1, leaf)
			case leafIsDowngrade:
				value = parquet.NullValue().Level(repetition, 1, leaf)
				if !interval.NotComparable {
					value = parquet.BooleanValue(interval.IsDowngrade).Level(repetition, 2, leaf)
				}
			}
			row = append(row, value)
		}
	}
	if u.IntervalsCut == 0 {
		return append(row, parquet.NullValue().Level(0, 0, leafIntervalsCut),
			parquet.NullValue().Level(0, 0, leafCutBefore))
	}
	return append(row, parquet.Int64Value(u.IntervalsCut).Level(0, 1, leafIntervalsCut),
		parquet.Int64Value(u.CutBefore).Level(0, 1, leafCutBefore))
}

// userOf reads a row back; its texts are copied, or aliased: then they live as long as the row.
func userOf(row parquet.Row, text func(parquet.Value) string) (history.User, error) {
	if len(row) < valuesOfUser || (len(row)-valuesOfUser)%valuesOfInterval != 0 {
		return history.User{}, fmt.Errorf("a row of gold.users has %d values", len(row))
	}
	u := history.User{
		ID: text(row[leafUserID]), Kind: text(row[leafUserKind]), FirstSeenAt: row[leafFirstSeenAt].Int64(),
		LastSeenAt: row[leafLastSeenAt].Int64(), CurrentService: text(row[leafCurrentService]),
		CurrentDevice:    text(row[leafCurrentDevice]),
		CurrentHasDevice: !row[leafCurrentDevice].IsNull(), CurrentVersion: text(row[leafCurrentVersion]),
		CurrentSince: row[leafCurrentSince].Int64(), PreviousVersion: text(row[leafPreviousVersion]),
		HasPreviousVersion: !row[leafPreviousVersion].IsNull(), VersionCount: row[leafVersionCount].Int64(),
	}
	if cut := row[len(row)-2]; !cut.IsNull() {
		u.IntervalsCut, u.CutBefore = cut.Int64(), row[len(row)-1].Int64()
	}
	n := (len(row) - valuesOfUser) / valuesOfInterval
	u.History = make([]history.Interval, n)
	for i := range u.History {
		at := func(leaf int) parquet.Value { return row[leafHistory+(leaf-leafHistory)*n+i] }
		u.History[i] = history.Interval{
			Service: text(at(leafService)), Device: text(at(leafDevice)), HasDevice: !at(leafDevice).IsNull(),
			Version:   text(at(leafVersion)),
			ValidFrom: at(leafValidFrom).Int64(), Open: at(leafValidTo).IsNull(),
			LastSeenAt: at(leafIntervalLastSeenAt).Int64(),
			Sightings:  at(leafSightings).Int64(), NotComparable: at(leafIsDowngrade).IsNull(),
		}
		u.History[i].IsDowngrade = !u.History[i].NotComparable && at(leafIsDowngrade).Boolean()
		if !u.History[i].Open {
			u.History[i].ValidTo = at(leafValidTo).Int64()
		}
	}
	return u, nil
}

func copied(value parquet.Value) string { return string(value.ByteArray()) }

func aliased(value parquet.Value) string { return objects.UnsafeString(value.ByteArray()) }
