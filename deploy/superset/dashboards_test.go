package superset_test

import (
	"fmt"
	"slices"
)

// board is a dashboard.
type board struct {
	title   string
	intro   string // below the title, in Markdown
	rows    [][]chart
	filters []string // of those that there are
}

func dashboards() []board {
	return []board{adoption(), shutdown(), quality(), pipeline()}
}

func (b *board) slug() string { return "versionlake-" + slug(b.title) }

func (b *board) charts() (all []chart) {
	for _, row := range b.rows {
		for _, c := range row {
			c.of = b.title
			all = append(all, c)
		}
	}
	return all
}

// filter is a native filter, of a column of that name in any dataset of the dashboard.
type filter struct {
	name, dataset, column string
	single                bool // one value, and the first one where nobody chose
	below                 string
	about                 string
}

var filters = []filter{
	{name: "Service", dataset: "versions", column: "service", single: true},
	{name: "Version line", dataset: "versions", column: "version_line", below: "Service",
		about: "The first two numbers of a version."},
	{name: "Device", dataset: "device_days", column: "device", below: "Service",
		about: "Charts that know of no devices show all of them."},
	{name: "Version to shut down", dataset: "shutdown_impact", column: "version", below: "Service"},
	{name: "Date", about: "Charts of days show these days alone. The others are of all events, or of the last 30 " +
		"days of data."},
}

func filterID(name string) string { return "NATIVE_FILTER-" + slug(name) }

func (f *filter) config() object {
	config := object{"id": filterID(f.name), "name": f.name, "type": "NATIVE_FILTER", "description": f.about,
		"scope":       object{"rootPath": []string{"ROOT_ID"}, "excluded": []int{}},
		"tabsInScope": []any{}, "chartsInScope": []any{},
		"defaultDataMask":  object{"extraFormData": object{}, "filterState": object{}, "ownState": object{}},
		"cascadeParentIds": []string{}, "requiredFirst": f.single}
	if f.below != "" {
		config["cascadeParentIds"] = []string{filterID(f.below)}
	}
	if f.column == "" {
		config["filterType"], config["targets"] = "filter_time", []object{{}}
		config["controlValues"] = object{"enableEmptyFilter": false}
		return config
	}
	config["filterType"] = "filter_select"
	config["targets"] = []object{{"datasetUuid": id("dataset", f.dataset), "column": object{"name": f.column}}}
	config["controlValues"] = object{"multiSelect": !f.single, "enableEmptyFilter": f.single,
		"defaultToFirstItem": f.single, "inverseSelection": false, "searchAllOptions": true, "sortAscending": true}
	return config
}

func (b *board) file() object {
	var native []object
	for _, f := range filters {
		if slices.Contains(b.filters, f.name) {
			native = append(native, f.config())
		}
	}
	return object{
		"dashboard_title": "versionlake: " + b.title, "description": nil, "css": "", "slug": b.slug(),
		"uuid": id("dashboard", b.title), "version": "1.0.0", "published": true, "position": b.position(),
		"metadata": object{"native_filter_configuration": native, "filter_bar_orientation": "HORIZONTAL",
			"color_scheme": "supersetColors", "label_colors": object{}, "shared_label_colors": []any{},
			"map_label_colors": object{}, "cross_filters_enabled": false, "refresh_frequency": 0,
			"timed_refresh_immune_slices": []any{}, "expanded_slices": object{}, "default_filters": "{}",
			"chart_configuration": object{}, "global_chart_configuration": object{
				"scope": object{"rootPath": []string{"ROOT_ID"}, "excluded": []int{}}, "chartsInScope": []any{}}},
	}
}

// position lays the charts out, row by row, below the intro.
func (b *board) position() object {
	grid := []string{"ROW-intro"}
	parents := func(last ...string) []string { return append([]string{"ROOT_ID", "GRID_ID"}, last...) }
	row := func(name string, children ...string) object {
		return object{"type": "ROW", "id": name, "children": children, "parents": parents(),
			"meta": object{"background": "BACKGROUND_TRANSPARENT"}}
	}
	height := 11
	if len(b.intro) > 200 { // two lines
		height = 14
	}
	at := object{
		"DASHBOARD_VERSION_KEY": "v2",
		"ROOT_ID":               object{"type": "ROOT", "id": "ROOT_ID", "children": []string{"GRID_ID"}},
		"HEADER_ID": object{"type": "HEADER", "id": "HEADER_ID",
			"meta": object{"text": "versionlake: " + b.title}},
		"ROW-intro": row("ROW-intro", "MARKDOWN-intro"),
		"MARKDOWN-intro": object{"type": "MARKDOWN", "id": "MARKDOWN-intro", "children": []string{},
			"parents": parents("ROW-intro"),
			"meta":    object{"width": wide, "height": height, "code": b.intro + "\n\n" + b.links()}},
	}
	n := 0
	for r, charts := range b.rows {
		name := fmt.Sprintf("ROW-%d", r+1)
		var children []string
		for _, c := range charts {
			n++
			c.of = b.title
			child := fmt.Sprintf("CHART-%d", n)
			children = append(children, child)
			at[child] = object{"type": "CHART", "id": child, "children": []string{}, "parents": parents(name),
				"meta": object{"chartId": n, "uuid": c.id(), "sliceName": c.name, "width": c.width, "height": c.height}}
		}
		at[name] = row(name, children...)
		grid = append(grid, name)
	}
	at["GRID_ID"] = object{"type": "GRID", "id": "GRID_ID", "children": grid, "parents": []string{"ROOT_ID"}}
	return at
}

// links lead to the other dashboards, so that every chart is two clicks away from any of them.
func (b *board) links() (text string) {
	for i, other := range []string{"Adoption", "Shutdown", "Quality of a release", "Health of the pipeline"} {
		if i > 0 {
			text += " · "
		}
		if other == b.title {
			text += "**" + other + "**"
			continue
		}
		text += "[" + other + "](/superset/dashboard/" + (&board{title: other}).slug() + "/)"
	}
	return text
}
