package lake_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table/substrait"
	"github.com/stretchr/testify/require"
)

// TestFunctionsOfFilters: iceberg-go finds each function that it filters rows by in tools/substrait, which stands
// in for all that there are. Where it filters without them, this does not compile, and tools/substrait can go.
func TestFunctionsOfFilters(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "count", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "text", Type: iceberg.PrimitiveTypes.String, Required: true},
		iceberg.NestedField{ID: 3, Name: "at", Type: iceberg.PrimitiveTypes.TimestampTz},
		iceberg.NestedField{ID: 4, Name: "share", Type: iceberg.PrimitiveTypes.Float64},
		iceberg.NestedField{ID: 5, Name: "small", Type: iceberg.PrimitiveTypes.Float32},
		iceberg.NestedField{ID: 6, Name: "flag", Type: iceberg.PrimitiveTypes.Bool},
		iceberg.NestedField{ID: 7, Name: "date", Type: iceberg.PrimitiveTypes.Date})
	count, text, share := iceberg.Reference("count"), iceberg.Reference("text"), iceberg.Reference("share")
	small, at, flag := iceberg.Reference("small"), iceberg.Reference("at"), iceberg.Reference("flag")
	date := iceberg.Reference("date")
	for _, filter := range []iceberg.BooleanExpression{
		iceberg.EqualTo(text, "a"), iceberg.NotEqualTo(text, "a"), iceberg.EqualTo(flag, true),
		iceberg.LessThan(count, int64(1)), iceberg.LessThanEqual(at, iceberg.Timestamp(1)),
		iceberg.GreaterThan(share, 0.5), iceberg.GreaterThanEqual(date, iceberg.Date(1)),
		iceberg.IsNull(count), iceberg.NotNull(at), iceberg.IsNaN(share), iceberg.NotNaN(small),
		iceberg.StartsWith(text, "a"), iceberg.NotStartsWith(text, "a"),
		iceberg.IsIn(text, "a", "b"), iceberg.NotIn(count, int64(1), int64(2)),
		iceberg.NewAnd(iceberg.EqualTo(text, "a"), iceberg.IsNull(count)),
		iceberg.NewOr(iceberg.EqualTo(text, "a"), iceberg.IsNull(count)),
		iceberg.NewNot(iceberg.NewAnd(iceberg.EqualTo(text, "a"), iceberg.IsNull(count))),
	} {
		bound, err := iceberg.BindExpr(schema, filter, true)
		require.NoError(t, err, "%s", filter)
		_, _, err = substrait.ConvertExpr(schema, bound, true)
		require.NoError(t, err, "%s", filter)
	}
}
