package digest

import (
	"fmt"
	"math"
	"strconv"

	"github.com/go-analyze/charts"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/report"
)

// Pictures are twice as fine as they are shown in wide windows, and four times as on phones, where their texts must
// be read, too.
const (
	pictureWidth  = 1200
	pictureHeight = 640
)

// series is a line of a picture, with a value a day.
type series struct {
	name   string
	values []float64
}

func pictures(s *report.Service, largest []string, last int32, number int) (all []Picture, err error) {
	var users, issues []series
	at := func(version string, value func(*report.Day) float64) (values []float64) {
		for date := last - shownDays + 1; date <= last; date++ {
			d := s.Days[version][date]
			if d == nil {
				d = &report.Day{}
			}
			values = append(values, value(d))
		}
		return values
	}
	for _, version := range largest {
		users = append(users, series{shortened(version), at(version, func(d *report.Day) float64 {
			return float64(d.Users)
		})})
	}
	for _, version := range []string{s.Before, s.Focus} {
		if version == "" {
			continue
		}
		issues = append(issues, series{shortened(version), at(version, func(d *report.Day) float64 {
			if d.VersionUsers == 0 {
				return charts.GetNullValue()
			}
			return 1000 * float64(d.Issues) / float64(d.VersionUsers)
		})})
	}
	days := fmt.Sprintf("%d days up to %s", shownDays, lake.FormatDate(last))
	for _, each := range []struct {
		name, title string
		lines       []series
	}{{"users", "Users a day, by version", users}, {"issues", "Issues per 1000 users a day", issues}} {
		if len(each.lines) == 0 {
			continue
		}
		drawn, err := draw(each.title+", "+days, each.lines, last)
		if err != nil {
			return nil, fmt.Errorf("draw the %s of %s: %w", each.name, s.Name, err)
		}
		alt := fmt.Sprintf("%s of %s, %s:", each.title, shortened(s.Name), days)
		for i, line := range each.lines {
			if i > 0 {
				alt += ","
			}
			alt += fmt.Sprintf(" %s from %s to %s", line.name, shown(line.values[0]),
				shown(line.values[len(line.values)-1]))
		}
		all = append(all, Picture{Name: fmt.Sprintf("%s-%d.png", each.name, number), Alt: alt, PNG: drawn})
	}
	return all, nil
}

func shown(value float64) string {
	if value == charts.GetNullValue() {
		return "none"
	}
	return fmt.Sprint(math.Round(value*10) / 10)
}

// draw makes a PNG without a browser.
func draw(title string, lines []series, last int32) ([]byte, error) {
	var values [][]float64
	var names, days []string
	for _, line := range lines {
		values, names = append(values, line.values), append(names, line.name)
	}
	for date := last - shownDays + 1; date <= last; date++ {
		days = append(days, lake.FormatDate(date)[len("2006-"):])
	}
	option := charts.NewLineChartOptionWithData(values)
	option.Title = charts.TitleOption{Text: title, FontStyle: charts.NewFontStyleWithSize(30)}
	option.Legend = charts.LegendOption{SeriesNames: names, FontStyle: charts.NewFontStyleWithSize(28),
		Offset: charts.OffsetStr{Top: "84"}}
	option.XAxis = charts.XAxisOption{Labels: days, LabelCount: 5, LabelFontStyle: charts.NewFontStyleWithSize(26)}
	option.YAxis = []charts.YAxisOption{{Min: charts.Ptr(0.0), LabelFontStyle: charts.NewFontStyleWithSize(26)}}
	option.ValueFormatter = func(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }
	option.LineStrokeWidth = 4
	option.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	option.Theme = charts.GetTheme(charts.ThemeLight)
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputPNG, Width: pictureWidth,
		Height: pictureHeight})
	if err := painter.LineChart(option); err != nil {
		return nil, err
	}
	return painter.Bytes()
}
