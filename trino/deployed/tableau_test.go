package deployed_test

import (
	"encoding/xml"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/trino"
)

// dataSource is what we say in a Tableau data source. Nothing here runs Tableau.
type dataSource struct {
	Relations []struct {
		Name  string `xml:"name,attr"`
		Table string `xml:"table,attr"`
	} `xml:"connection>relation>relation"`
	Join []struct {
		Sides []struct {
			Column string `xml:"op,attr"`
		} `xml:"expression"`
	} `xml:"connection>relation>clause>expression>expression"`
	Maps []struct {
		Field  string `xml:"key,attr"`
		Column string `xml:"value,attr"`
	} `xml:"connection>cols>map"`
	Fields []struct {
		Name    string `xml:"name,attr"`
		Type    string `xml:"datatype,attr"`
		Comment string `xml:"desc>formatted-text>run"`
	} `xml:"column"`
}

func readDataSource(t *testing.T) (d dataSource) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/tableau/versionlake.tds")
	require.NoError(t, err)
	for whole := xml.NewDecoder(strings.NewReader(string(text))); ; { // Unmarshal stops at the end of the element
		if _, err := whole.Token(); err == io.EOF {
			break
		} else {
			require.NoError(t, err)
		}
	}
	require.NoError(t, xml.Unmarshal(text, &d))
	return d
}

var tableColumn = regexp.MustCompile(`^\[(\w+)\]\.\[(\w+)\]$`)

// TestTableau holds the Tableau data source against the files of the views: their columns and comments.
func TestTableau(t *testing.T) {
	comments := map[string]string{} // of [view].[column]
	views, err := trino.Views()
	require.NoError(t, err)
	for _, view := range views {
		for _, column := range view.Columns {
			comments["["+view.Name+"].["+column.Name+"]"] = column.Comment
		}
	}
	d := readDataSource(t)
	joined := map[string]bool{}
	for _, relation := range d.Relations {
		require.Equal(t, "["+trino.Schema+"].["+relation.Name+"]", relation.Table)
		joined[relation.Name] = true
	}
	require.Len(t, joined, 2)
	for _, condition := range d.Join {
		require.Len(t, condition.Sides, 2)
		for _, side := range condition.Sides {
			require.Contains(t, comments, side.Column)
			// the same as the other side's
			delete(comments, "[versions]."+strings.TrimPrefix(side.Column, "[versions]."))
		}
	}
	columns := map[string]string{}
	for _, m := range d.Maps {
		columns[m.Field] = m.Column
	}
	require.Len(t, d.Fields, len(columns))
	for _, field := range d.Fields {
		column := columns[field.Name]
		require.Equal(t, comments[column], field.Comment, "%s, which is %s", field.Name, column)
		delete(comments, column)
	}
	for column := range comments {
		view := tableColumn.FindStringSubmatch(column)[1]
		require.False(t, joined[view], "the data source lacks %s", column)
	}
}

// tableau asks as Tableau would with the data source, and compares the types.
func (s *site) tableau(t *testing.T) {
	types := map[string]string{}
	for _, row := range s.must(t, analyst, "SELECT table_name, column_name, data_type FROM "+
		"information_schema.columns WHERE table_schema = 'views'").rows {
		types["["+row[0].(string)+"].["+row[1].(string)+"]"] = row[2].(string)
	}
	tableauTypes := map[string]string{
		"varchar": "string", "bigint": "integer", "integer": "integer", "double": "real", "boolean": "boolean",
		"timestamp(6) with time zone": "datetime", "timestamp(3) with time zone": "datetime", "date": "date",
	}
	d := readDataSource(t)
	columns := map[string]string{}
	var selected, conditions []string
	for _, m := range d.Maps {
		columns[m.Field] = m.Column
		selected = append(selected, sqlOf(m.Column))
	}
	for _, field := range d.Fields {
		require.Equal(t, tableauTypes[types[columns[field.Name]]], field.Type, field.Name)
	}
	for _, condition := range d.Join {
		conditions = append(conditions, sqlOf(condition.Sides[0].Column)+" = "+sqlOf(condition.Sides[1].Column))
	}
	found := s.must(t, analyst, "SELECT "+strings.Join(selected, ", ")+" FROM version_intervals LEFT JOIN versions ON "+
		strings.Join(conditions, " AND "))
	intervals := s.must(t, analyst, "SELECT 1 FROM version_intervals")
	require.Len(t, found.rows, len(intervals.rows), "the join neither loses intervals nor doubles them")
}

func sqlOf(column string) string { return strings.NewReplacer("[", `"`, "]", `"`).Replace(column) }
