package superset_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// chart is a picture of a dataset.
type chart struct {
	name    string // what it shows, of whom: the denominator stands in it
	about   string
	dataset string
	viz     string
	by      []string // the columns that numbers are grouped by; that of the axis first
	metrics []string // of the dataset
	rows    []string // instead: the columns of a table of rows
	order   []string // of those rows; -name is the largest first
	where   []condition
	limit   int
	look    object // what only this kind of chart has
	width   int    // of 12
	height  int
	of      string // the board that it is on
}

// condition is one of a chart's own: it holds whatever the filters of the dashboard say.
type condition struct {
	column, operator string
	value            any
}

const (
	wide   = 12
	half   = 6
	low    = 42
	middle = 50
)

func bars(c chart, stacked bool) chart {
	c.viz = "echarts_timeseries_bar"
	c.look = axis(c)
	if stacked {
		c.look["stack"] = "Stack"
	}
	return c
}

func lines(c chart) chart {
	c.viz = "echarts_timeseries_line"
	c.look = axis(c)
	maps.Copy(c.look, object{"markerEnabled": true, "markerSize": 4, "seriesType": "line", "opacity": 0.2})
	return c
}

// axis is what charts with an axis of categories or numbers share.
func axis(c chart) object {
	format := formatOf(c.dataset, c.metrics[0])
	bounds := []any{nil, nil}
	if strings.HasSuffix(format, "%") {
		bounds = []any{0, 1}
	}
	rotation := 0
	if c.by[0] == "on_day" { // the last one would be cut at the edge
		rotation = 30
	}
	return object{
		"x_axis": c.by[0], "groupby": c.by[1:], "metrics": c.metrics, "x_axis_sort_asc": true, "order_desc": true,
		"truncate_metric": true, "show_empty_columns": true, "show_legend": len(c.by) > 1 || len(c.metrics) > 1,
		"legendType": "scroll", "legendOrientation": "top", "rich_tooltip": true, "showTooltipTotal": false,
		"color_scheme": "supersetColors", "x_axis_title": "", "y_axis_title": "", "y_axis_format": format,
		"truncateYAxis": bounds[0] != nil, "y_axis_bounds": bounds,
		"sort_series_type": "name", "sort_series_ascending": true, "xAxisLabelRotation": rotation,
		"annotation_layers": []any{},
		"comparison_type":   "values",
	}
}

func formatOf(dataset, name string) string {
	for _, m := range defined(dataset).metrics {
		if m.name == name && m.format != "" {
			return m.format
		}
	}
	return "SMART_NUMBER"
}

func table(c chart) chart {
	c.viz = "table"
	formats := object{}
	for _, name := range c.rows {
		if typeOf(name) == "DOUBLE" {
			format := ",.1f"
			switch {
			case isShare(name):
				format = ".1%"
			case strings.HasPrefix(name, "rank_and_"):
				format = ".3f"
			}
			formats[name] = object{"d3NumberFormat": format}
		}
	}
	var order []string
	for _, name := range c.order {
		bare := strings.TrimPrefix(name, "-")
		text, _ := json.Marshal([]any{bare, bare == name})
		order = append(order, string(text))
	}
	c.look = object{
		"query_mode": "raw", "all_columns": c.rows, "order_by_cols": order, "percent_metrics": []any{},
		"groupby":                []any{},
		"table_timestamp_format": "%Y-%m-%d", "show_cell_bars": false, "color_pn": false, "column_config": formats,
		"server_pagination": false, "page_length": 0, "include_search": false, "allow_render_html": false,
	}
	return c
}

// isShare tells fractions of a whole, which read as percent.
func isShare(name string) bool {
	if strings.HasPrefix(name, "per_thousand_") {
		return false
	}
	for _, word := range []string{"share", "ceiling", "retention", "churn", "_low", "_high"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

func heat(c chart, format string) chart {
	c.viz = "heatmap_v2"
	c.look = object{
		"x_axis": c.by[0], "groupby": c.by[1], "metric": c.metrics[0], "sort_x_axis": "alpha_asc",
		"sort_y_axis":      "alpha_asc",
		"normalize_across": "heatmap", "legend_type": "continuous", "linear_color_scheme": "superset_seq_1",
		"border_color": object{"r": 255, "g": 255, "b": 255, "a": 1}, "border_width": 1, "show_values": true,
		"show_legend": false, "show_percentage": false, "y_axis_format": format, "xscale_interval": 1,
		"yscale_interval": 1,
		"left_margin":     "auto", "bottom_margin": "auto", "value_bounds": []any{nil, nil},
		"x_axis_time_format": "smart_date", "xAxisLabelRotation": 45,
	}
	return c
}

func number(c chart, below string) chart {
	c.viz = "big_number_total"
	c.look = object{"metric": c.metrics[0], "subheader": below, "header_font_size": 0.3, "subheader_font_size": 0.125,
		"y_axis_format": ",d", "time_format": "%Y-%m-%d %H:00"}
	return c
}

// filters are what the chart itself asks, and the place where the dashboard's dates go.
func (c *chart) filters() (adhoc, query []object) {
	adhoc, query = []object{}, []object{}
	if time := defined(c.dataset).time; time != "" {
		adhoc = append(adhoc, object{"clause": "WHERE", "expressionType": "SIMPLE", "subject": time,
			"operator": "TEMPORAL_RANGE", "comparator": "No filter"})
		query = append(query, object{"col": time, "op": "TEMPORAL_RANGE", "val": "No filter"})
	}
	for _, w := range c.where {
		adhoc = append(adhoc, object{"clause": "WHERE", "expressionType": "SIMPLE", "subject": w.column,
			"operator":   w.operator,
			"comparator": w.value})
		query = append(query, object{"col": w.column, "op": w.operator, "val": w.value})
	}
	return adhoc, query
}

func defined(name string) *dataset {
	n := slices.IndexFunc(definitions, func(d dataset) bool { return d.name == name })
	if n < 0 {
		panic("no dataset " + name)
	}
	return &definitions[n]
}

func (c *chart) rowLimit() int {
	if c.limit > 0 {
		return c.limit
	}
	return 50_000
}

func (c *chart) params() object {
	adhoc, _ := c.filters()
	params := object{"viz_type": c.viz, "adhoc_filters": adhoc, "row_limit": c.rowLimit(), "extra_form_data": object{}}
	maps.Copy(params, c.look)
	return params
}

// query is the request for the chart's rows, one for each group.
func (c *chart) query() object {
	_, filters := c.filters()
	columns, order := slices.Clone(c.by), []any{}
	if c.rows != nil {
		columns = slices.Clone(c.rows)
		for _, name := range c.order {
			bare := strings.TrimPrefix(name, "-")
			order = append(order, []any{bare, bare == name})
		}
	} else {
		order = append(order, []any{c.metrics[0], false})
	}
	if columns == nil {
		columns = []string{}
	}
	query := object{"filters": filters, "extras": object{"having": "", "where": ""}, "applied_time_extras": object{},
		"columns": columns, "orderby": order, "annotation_layers": []any{}, "row_limit": c.rowLimit(),
		"series_limit": 0,
		"order_desc":   true, "url_params": object{}, "custom_params": object{}, "custom_form_data": object{}}
	if c.rows == nil {
		query["metrics"] = c.metrics
	}
	return query
}

func (c *chart) file() object {
	context, err := json.Marshal(object{"datasource": object{"id": 0, "type": "table"}, "force": false,
		"queries": []object{c.query()}, "form_data": c.params(), "result_format": "json", "result_type": "full"})
	if err != nil {
		panic(err) // texts and numbers
	}
	return object{"slice_name": c.name, "description": orNil(c.about), "viz_type": c.viz, "params": c.params(),
		"query_context": string(context), "cache_timeout": nil, "uuid": c.id(), "version": "1.0.0",
		"dataset_uuid": id("dataset", c.dataset)}
}

// slug is the name of the chart's files.
func (c *chart) slug() string { return slug(c.of) + "_" + slug(c.name) }

// check is a file with the same numbers in SQL, by the views alone; {service} is the one that dashboards show at first.
func (c *chart) check() string { return filepath.Join("testdata", "checks", c.slug()+".sql") }

func (c *chart) id() string { return id("chart", c.of+" "+c.name) }
