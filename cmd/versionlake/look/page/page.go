// Package page writes a report as one HTML file: charts that work offline, and a table behind each.
package page

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/versionlake/versionlake/lake/report"
	"github.com/versionlake/versionlake/terminal"
)

// ECharts 6.1.0 is from npm, as it came: Apache License 2.0, with its LICENSE and NOTICE beside it and in every page.
//
//go:embed page.html page.css page.js echarts-6.1.0/echarts.min.js echarts-6.1.0/NOTICE
var files embed.FS

// library is the folder of the charts' library.
const library = "echarts-6.1.0"

// Page is what the template shows.
type page struct {
	Made     string
	End      string
	Services []section
	Charts   template.JS
	CSS      template.CSS
	Code     template.JS
	Library  template.JS
	Notice   string
}

type section struct {
	Name, Focus string
	Facts       []fact
	Charts      []*chart
}

// fact is a number with its name.
type fact struct{ Name, Value, Note string }

// Write writes the page.
func Write(out io.Writer, r *report.Report, made time.Time) error {
	read := func(name string) string {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(fmt.Sprintf("read %s, which was built in: %v", name, err))
		}
		return string(text)
	}
	p := page{Made: made.UTC().Format("2006-01-02 15:04 UTC"), End: r.End.Format("2006-01-02 15:04 UTC"),
		CSS: template.CSS(read("page.css")), Code: template.JS(read("page.js")),
		Library: template.JS(read(library + "/echarts.min.js")), Notice: read(library + "/NOTICE")}
	var all []*chart
	for _, s := range r.Services {
		charts := chartsOf(s)
		for _, c := range charts {
			c.ID = fmt.Sprintf("chart-%d", len(all)+1)
			all = append(all, c)
		}
		p.Services = append(p.Services, section{shown(s.Name), shown(s.Focus), factsOf(s, r.End), charts})
	}
	encoded, err := json.Marshal(all) // escapes <, > and &, so that no text ends the script
	if err != nil {
		return fmt.Errorf("write the charts' numbers: %w", err)
	}
	p.Charts = template.JS(encoded)
	parsed, err := template.New("page").Parse(read("page.html"))
	if err != nil {
		panic(fmt.Sprintf("parse page.html, which was built in: %v", err))
	}
	if err := parsed.Execute(out, &p); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// shown is a text of a client as a person can see all of it; a dash for none.
func shown(text string) string {
	if text == "" {
		return "–"
	}
	return terminal.Escape(text)
}
