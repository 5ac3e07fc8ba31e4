// Package schema makes Iceberg's schema of a table from the struct of its rows, and tells what of another program's
// schema can be taken over. It knows no tables.
package schema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
)

// Of makes the schema of a row's struct. The Parquet tag of a field gives the column's name, type and Iceberg field
// id, so that Parquet and Iceberg can't drift apart; comments gives what the column says of itself.
func Of(row reflect.Type, comments Comments) *iceberg.Schema {
	return iceberg.NewSchema(0, fields(row, comments)...)
}

func fields(row reflect.Type, comments Comments) []iceberg.NestedField {
	all := make([]iceberg.NestedField, 0, row.NumField())
	for i := range row.NumField() {
		field := row.Field(i)
		name, options := parseTag(field.Tag.Get("parquet"))
		all = append(all, iceberg.NestedField{
			ID: tagNumber(options, "id"), Name: name, Required: !options["optional"],
			Doc: comments[row.Name()+"."+field.Name], Type: typeOf(field, options, comments),
		})
	}
	return all
}

func typeOf(field reflect.StructField, options map[string]bool, comments Comments) iceberg.Type {
	kind := field.Type
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch {
	case options["list"]:
		_, element := parseTag(field.Tag.Get("parquet-element"))
		return &iceberg.ListType{
			ElementID: tagNumber(element, "id"), ElementRequired: true,
			Element: &iceberg.StructType{FieldList: fields(kind.Elem(), comments)},
		}
	case options["timestamp(microsecond)"]:
		return iceberg.PrimitiveTypes.TimestampTz
	case options["date"]:
		return iceberg.PrimitiveTypes.Date
	case kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Uint8:
		return iceberg.PrimitiveTypes.Binary
	}
	switch kind.Kind() {
	case reflect.String:
		return iceberg.PrimitiveTypes.String
	case reflect.Int64:
		return iceberg.PrimitiveTypes.Int64
	case reflect.Int32:
		return iceberg.PrimitiveTypes.Int32
	case reflect.Bool:
		return iceberg.PrimitiveTypes.Bool
	case reflect.Float64:
		return iceberg.PrimitiveTypes.Float64
	}
	panic(fmt.Sprintf("no Iceberg type for the column %s, %s", field.Name, field.Type))
}

func parseTag(tag string) (name string, options map[string]bool) {
	parts := strings.Split(tag, ",")
	options = map[string]bool{}
	for _, option := range parts[1:] {
		options[option] = true
	}
	return parts[0], options
}

func tagNumber(options map[string]bool, name string) int {
	for option := range options {
		if inner, ok := strings.CutPrefix(option, name+"("); ok {
			number, err := strconv.Atoi(strings.TrimSuffix(inner, ")"))
			if err == nil {
				return number
			}
		}
	}
	panic(fmt.Sprintf("tag option %s(n) is missing or not a number: %v", name, options))
}
