package hours_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
)

// TestHoursOfLines ingests hours that real clients sent, as far as who, when and what a body says go, and wants the
// users of expected.jsonl from them, by both implementations.
func TestHoursOfLines(t *testing.T) {
	for _, name := range []string{"ids", "clocks", "bodies"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := laketest.NewWorld(t)
			lines, err := os.ReadFile(laketest.InCheckout(t, "lake/testdata/lines/"+name+"/a.tsv"))
			in.Must(err)
			in.PutBytes("27T05/a.tsv", lines)
			in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
			upkeep.Daily(in)
			if got, want := intervalsOf(t, in.Lake), expectedIntervals(t, name); !slices.Equal(got, want) {
				t.Errorf("got\n%q\nnot\n%q", got, want)
			}
			checks.Verify(t, in.Lake)
		})
	}
}

func expectedIntervals(t *testing.T, name string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(laketest.InCheckout(t, "lake/testdata/lines/"+name+"/expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
		var user struct {
			UserID  string `json:"user_id"`
			History []struct {
				Service   string     `json:"service"`
				Device    *string    `json:"device"`
				Version   string     `json:"version"`
				ValidFrom time.Time  `json:"valid_from"`
				ValidTo   *time.Time `json:"valid_to"`
			} `json:"history"`
		}
		if err := json.Unmarshal(scanner.Bytes(), &user); err != nil {
			t.Fatal(err)
		}
		for _, i := range user.History {
			device, to := "–", "–"
			if i.Device != nil {
				device = *i.Device
			}
			if i.ValidTo != nil {
				to = i.ValidTo.Format(time.RFC3339Nano)
			}
			lines = append(lines, fmt.Sprint(user.UserID, i.Service, device, i.Version,
				i.ValidFrom.Format(time.RFC3339Nano), to))
		}
	}
	slices.Sort(lines)
	return lines
}

func intervalsOf(t *testing.T, l *lake.Lake) (lines []string) {
	t.Helper()
	now, err := gold.FindVersion(t.Context(), l, "")
	if err != nil {
		t.Fatal(err)
	}
	for user, err := range gold.Users(t.Context(), l, now) {
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range user.History {
			device, to := "–", "–"
			if i.HasDevice {
				device = i.Device
			}
			if !i.Open {
				to = time.UnixMicro(i.ValidTo).UTC().Format(time.RFC3339Nano)
			}
			lines = append(lines, fmt.Sprint(user.ID, i.Service, device,
				i.Version, time.UnixMicro(i.ValidFrom).UTC().Format(time.RFC3339Nano), to))
		}
	}
	slices.Sort(lines)
	return lines
}
