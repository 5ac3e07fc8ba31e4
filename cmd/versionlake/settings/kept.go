package settings

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// keptSetting is a setting that decides what hours mean. The lake keeps it from the first write on, so that no
// later command reads hours in another way without a word.
type keptSetting struct {
	flag string
	text func(*Settings) (string, error)
	take func(*Settings, string) error
	// cure says what brings hours that were read before in line with another value.
	cure string
	// usual is what text says of the default, where somebody writes it out.
	usual string
}

// same tells that two values mean the same: the default may be written out, or left to the program.
func (k *keptSetting) same(a, b string) bool {
	if k.usual != "" && a == k.usual {
		a = keptDefault
	}
	if k.usual != "" && b == k.usual {
		b = keptDefault
	}
	return a == b
}

const (
	cureSource = "hours that were read before stay as they are until they are read again: versionlake reprocess --all"
	cureSilver = "hours that were read before stay as they are until silver is made anew: versionlake reprocess " +
		"--all --layer silver; " +
		"lines that were rejected come with versionlake reprocess --all"
)

var keptSettings = []keptSetting{
	{
		flag: "events", cure: cureSilver,
		text: (*Settings).eventsText,
		take: func(s *Settings, text string) error { s.keptEvents = text; return nil },
	},
	{
		flag: "layout", cure: cureSource, usual: source.DefaultLayout,
		text: func(s *Settings) (string, error) {
			return strings.Join(listed(s.layouts, "VERSIONLAKE_LAYOUT"), ","), nil
		},
		take: func(s *Settings, text string) error { s.layouts = split(text); return nil },
	},
	{
		flag: "endings", cure: cureSource, usual: strings.Join(source.DefaultEndings, ","),
		text: func(s *Settings) (string, error) {
			return strings.Join(listed(s.endings, "VERSIONLAKE_ENDINGS"), ","), nil
		},
		take: func(s *Settings, text string) error { s.endings = split(text); return nil },
	},
	{
		flag: "max-past", cure: cureSilver,
		text: func(s *Settings) (string, error) { return s.maxPast.String(), nil },
		take: func(s *Settings, text string) (err error) { s.maxPast, err = time.ParseDuration(text); return err },
	},
	{
		flag: "max-future", cure: cureSilver,
		text: func(s *Settings) (string, error) { return s.maxFuture.String(), nil },
		take: func(s *Settings, text string) (err error) { s.maxFuture, err = time.ParseDuration(text); return err },
	},
	{
		flag: ledger.SettingMaxIntervals, cure: "the next hour, or versionlake reprocess --layer gold --all, makes " +
			"gold.users anew",
		text: func(s *Settings) (string, error) { return strconv.Itoa(s.maxIntervals), nil },
		take: func(s *Settings, text string) (err error) { s.maxIntervals, err = strconv.Atoi(text); return err },
	},
	{
		flag: "sessions-by-service", cure: cureSilver,
		text: func(s *Settings) (string, error) { return strconv.FormatBool(s.byService), nil },
		take: func(s *Settings, text string) (err error) { s.byService, err = strconv.ParseBool(text); return err },
	},
}

// split reads a list that is separated by commas.
func split(text string) []string {
	return strings.FieldsFunc(text, func(char rune) bool { return char == ',' })
}

// eventsText is what --events holds, as JSON without blanks; "" is the default.
func (s *Settings) eventsText() (string, error) {
	if s.events == "" {
		return s.keptEvents, nil
	}
	text, err := os.ReadFile(s.events)
	if err != nil {
		return "", usage.Errorf("--events: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return "", usage.Errorf("--events %s: %w", s.events, err)
	}
	return compact.String(), nil
}

// keptDefault stands for a setting that nobody gave: a property can't be empty.
const keptDefault = "the default"

// keptDifference is a setting that a command was given, and that is another one than the lake keeps.
type keptDifference struct {
	keptSetting
	before, now string
	first       bool // the lake keeps none yet
}

func (d keptDifference) String() string {
	return fmt.Sprintf("--%s is %s here, and this lake was written with %s", d.flag, shortened(d.now),
		shortened(d.before))
}

// takeKept is TakeKept that returns what differs.
func (s *Settings) takeKept(ctx context.Context, l *lake.Lake) (differences []keptDifference, err error) {
	kept, err := ledger.KeptSettings(ctx, l)
	if err != nil {
		return nil, err
	}
	for _, setting := range keptSettings {
		now, err := setting.text(s)
		if err != nil {
			return nil, err
		}
		now = cmp.Or(now, keptDefault)
		before, known := kept[setting.flag]
		switch {
		case !known:
			differences = append(differences, keptDifference{setting, "", now, true})
		case !s.given[setting.flag]:
			if before == keptDefault {
				before = ""
			}
			if err := setting.take(s, before); err != nil {
				return nil, fmt.Errorf("take --%s as the lake keeps it: %w", setting.flag, err)
			}
			if before != "" && s.origins != nil && before != now {
				s.origins[setting.flag] = Origin{Value: shortened(before), From: "the lake"}
			}
		case !setting.same(now, before):
			differences = append(differences, keptDifference{setting, before, now, false})
		}
	}
	return differences, nil
}

// TakeKept takes over what the lake keeps where neither the command line nor a variable says otherwise. What it says
// otherwise counts, for a command that only reads.
func (s *Settings) TakeKept(ctx context.Context, l *lake.Lake) error {
	_, err := s.takeKept(ctx, l)
	return err
}

// KeptParsing is Parsing once what the lake keeps was taken over.
func (s *Settings) KeptParsing(ctx context.Context, l *lake.Lake) (telemetry.Options, error) {
	if err := s.TakeKept(ctx, l); err != nil {
		return telemetry.Options{}, err
	}
	return s.Parsing()
}

// Keep is TakeKept for a command that may read hours: what differs is said, and kept from now on.
func (s *Settings) Keep(ctx context.Context, l *lake.Lake) error {
	differences, err := s.takeKept(ctx, l)
	if err != nil {
		return err
	}
	news := map[string]string{}
	for _, d := range differences {
		news[d.flag] = d.now
		if !d.first {
			s.Stderr.Printf("%s: it counts from now on, and %s\n", d, d.cure)
		}
	}
	return ledger.KeepSettings(ctx, l, news)
}

// RefuseOthers finds settings that the worker of a running server would not follow: it has the lake's.
func (s *Settings) RefuseOthers(ctx context.Context, where string) error {
	l, err := s.ReadLake(ctx)
	if err != nil {
		return nil // the worker's lake may be out of reach here, or have no tables yet
	}
	defer l.Close()
	differences, err := s.takeKept(ctx, l)
	if err != nil {
		return err
	}
	for _, d := range differences {
		if !d.first {
			return usage.Errorf("%s: %s reads hours by the lake's; start its worker with --%s to change that", d, where,
				d.flag)
		}
	}
	return nil
}

// shortened keeps a message to one line: the names of events may fill pages.
func shortened(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
