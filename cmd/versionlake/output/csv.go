package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/versionlake/versionlake/terminal"
)

// csvRow writes an object as a line of CSV, below a line with the names of its fields where it is the first: the fields
// that JSON has, lists and objects among them as JSON.
func (p *Printer) csvRow(object any) error {
	names, values, err := fieldsOf(object)
	if err != nil {
		return fmt.Errorf("write %T as CSV: %w", object, err)
	}
	if columns := columnsOf(object); columns != nil {
		byName := map[string]json.RawMessage{}
		for i, name := range names {
			byName[name] = values[i]
		}
		names, values = columns, make([]json.RawMessage, len(columns))
		for i, name := range names {
			values[i] = byName[name]
		}
	}
	if !p.begun {
		p.begun = true
		if err := p.streams.Stdout.CSVHeader(names); err != nil {
			return err
		}
	}
	cells := make([]string, len(values))
	for i, value := range values {
		if cells[i], err = csvCell(value); err != nil {
			return err
		}
	}
	return p.streams.Stdout.CSV(cells)
}

// fieldsOf are the fields that JSON writes of an object, in its order: rows of SQL may have two of one name.
func fieldsOf(object any) (names []string, values []json.RawMessage, err error) {
	text, err := terminal.JSON(object)
	if err != nil {
		return nil, nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if _, err := decoder.Token(); err != nil {
		return nil, nil, err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, nil, err
		}
		names, values = append(names, fmt.Sprint(name)), append(values, value)
	}
	return names, values, nil
}

// columnsOf are the fields that objects of this type may have; nil where each has all of its fields.
func columnsOf(object any) (names []string) {
	of := reflect.TypeOf(object)
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if _, own := object.(json.Marshaler); own || of.Kind() != reflect.Struct {
		return nil
	}
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" && field.IsExported() {
			names = append(names, name)
		}
	}
	return names
}

// csvCell is a field's value: nothing for null.
func csvCell(value json.RawMessage) (string, error) {
	if len(value) == 0 || string(value) == "null" {
		return "", nil
	}
	if value[0] != '"' {
		return string(value), nil
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return "", err
	}
	// A spreadsheet would take such a text for a formula, and anybody may send one.
	if strings.HasPrefix(text, "=") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") ||
		strings.HasPrefix(text, "@") {
		text = "'" + text
	}
	return text, nil
}
