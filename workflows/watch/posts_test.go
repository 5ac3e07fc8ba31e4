package watch_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/lists"
	"github.com/versionlake/versionlake/workflows/watch"
	"github.com/versionlake/versionlake/workflows/workflowstest"
)

// TestListsGiveUp: where a list was tried in vain, the others are written meanwhile, and what was not is noted.
func TestListsGiveUp(t *testing.T) {
	env := workflowstest.Environment(t)
	stuck := activities.WriteListInput{Index: 0, View: "stuck_users"}
	others := activities.WriteListInput{Index: 1, View: "shutdown_users"}
	env.OnActivity(workflowstest.ChecksSteps.ListsOfRules, mock.Anything).Return(
		[]activities.WriteListInput{stuck, others}, nil).Once()
	env.OnActivity(workflowstest.ChecksSteps.WriteList, mock.Anything, stuck).Return(lists.Written{},
		errors.New("Trino does not answer"))
	env.OnActivity(workflowstest.ChecksSteps.WriteList, mock.Anything, others).Return(
		lists.Written{Object: "shutdown_users.csv", Rows: 3}, nil).Once()
	env.OnActivity(workflowstest.ChecksSteps.NoteLists, mock.Anything,
		activities.NoteListsInput{Due: 2, Failed: []string{"Trino does not answer"}}).Return(nil).Once()
	env.ExecuteWorkflow(watch.Lists)
	require.ErrorContains(t, env.GetWorkflowError(), "1 of 2 lists were not written: Trino does not answer")
}
