package superset_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// testMutants changes requests as mistakes in the bundle would, and sees that the comparison tells them from what the
// views say: of each kind of mistake, one chart on each board at most. Charts on which a kind changes nothing in this
// world are passed over.
func (s *session) testMutants(t *testing.T) {
	requests := s.saved(t)
	told := map[string]int{}
	for _, board := range dashboards() {
		onBoard := map[string]bool{}
		for _, c := range board.charts() {
			for name, change := range mutantsOf(&c) {
				if onBoard[name] {
					continue
				}
				mutant := cloneOf(t, requests[c.id()])
				change(mutant["queries"].([]any)[0].(object))
				err := s.compare(&c, mutant)
				if err == nil {
					t.Logf("%s with %s shows the same", c.name, name)
					continue
				}
				require.Regexp(t, "and the views say|rows together", err.Error(), "%s with %s", c.name, name)
				onBoard[name] = true
				told[name]++
			}
		}
	}
	t.Log(told)
	for _, name := range []string{"no filter", "fewer groups", "another number", "one row"} {
		require.NotZero(t, told[name], name)
	}
	require.Equal(t, len(dashboards()), told["another number"])
}

func cloneOf(t *testing.T, request object) (clone object) {
	t.Helper()
	text, err := json.Marshal(request)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &clone))
	return clone
}

// mutantsOf are changes of a chart's request that must not pass; each is given to charts where it changes what is
// shown.
func mutantsOf(c *chart) map[string]func(query object) {
	mutants := map[string]func(query object){}
	if len(c.where) > 0 {
		mutants["no filter"] = func(query object) { query["filters"] = []any{} }
	}
	if len(c.by) > 1 {
		mutants["fewer groups"] = func(query object) { query["columns"] = query["columns"].([]any)[:1] }
	}
	if c.rows == nil && len(c.by) > 0 {
		mutants["another number"] = func(query object) {
			metrics := []any{}
			for _, name := range c.metrics { // by the same name
				metrics = append(metrics, object{"expressionType": "SQL", "sqlExpression": "count(*) + 1000003",
					"label": name})
			}
			query["metrics"], query["orderby"] = metrics, []any{}
		}
	}
	if c.rows != nil {
		mutants["one row"] = func(query object) { query["row_limit"] = 1 }
	}
	return mutants
}
