package digest

import (
	"encoding/base64"
	"html/template"
	"io"
)

// WriteHTML writes the letter's page. Pictures are found at source plus their name; where that is empty, the page holds
// them itself.
func (d *Digest) WriteHTML(to io.Writer, source string) error {
	return page.Execute(to, struct {
		*Digest
		Picture func(Picture) template.URL
	}{d, func(p Picture) template.URL {
		if source == "" {
			return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(p.PNG))
		}
		return template.URL(source + p.Name)
	}})
}

var page = template.Must(template.New("digest").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Headline}}</title></head>
<body style="margin: 0; background: #ffffff; color: #1f2328; font-family: sans-serif">
<main style="max-width: 640px; margin: 0 auto; padding: 16px">
<h1 style="font-size: 20px">{{.Headline}}</h1>
{{- range .Services}}
<h2 style="font-size: 18px; margin-top: 32px; overflow-wrap: anywhere">{{.Name}}</h2>
<table style="border-collapse: collapse; width: 100%">
<caption style="text-align: left; padding: 4px 0">The week in numbers</caption>
<tr><th scope="col" style="text-align: left; padding: 6px 8px 6px 0">number</th>
<th scope="col" style="text-align: right; padding: 6px 0 6px 8px">this week</th>
<th scope="col" style="text-align: right; padding: 6px 0 6px 8px">the week before</th></tr>
{{- range .Facts}}
<tr style="border-top: 1px solid #d0d7de">
<td style="min-width: 140px; padding: 6px 8px 6px 0; overflow-wrap: anywhere">{{.What}}</td>
<td style="text-align: right; padding: 6px 0 6px 8px; white-space: nowrap"><b>{{.Now}}</b></td>
<td style="text-align: right; padding: 6px 0 6px 8px; white-space: nowrap">{{.Before}}</td></tr>
{{- end}}
</table>
<table style="border-collapse: collapse; width: 100%; margin-top: 16px">
<caption style="text-align: left; padding: 4px 0">Part of a day's users, by version</caption>
<tr><th scope="col" style="text-align: left; padding: 6px 8px 6px 0">version</th>
<th scope="col" style="text-align: right; padding: 6px 0 6px 8px">this week</th>
<th scope="col" style="text-align: right; padding: 6px 0 6px 8px">the week before</th></tr>
{{- range .Versions}}
<tr style="border-top: 1px solid #d0d7de">
<td style="min-width: 140px; padding: 6px 8px 6px 0; overflow-wrap: anywhere">{{.Name}}</td>
<td style="text-align: right; padding: 6px 0 6px 8px; white-space: nowrap"><b>{{.Share}}</b></td>
<td style="text-align: right; padding: 6px 0 6px 8px; white-space: nowrap">{{.Before}}</td></tr>
{{- end}}
</table>
{{- range .Pictures}}
<p><img src="{{call $.Picture .}}" alt="{{.Alt}}" width="608" style="width: 100%; height: auto"></p>
{{- end}}
{{- end}}
<p style="color: #59636e">Whole days of UTC by the events' own time. The last days may still grow: events come late.</p>
</main></body></html>
`))
