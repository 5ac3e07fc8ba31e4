package worker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
)

// TestFailuresAreClean: what Temporal keeps of an error is one line in which everything can be seen, causes included.
func TestFailuresAreClean(t *testing.T) {
	clean := cleanFailures{temporal.GetDefaultFailureConverter()}
	err := temporal.NewApplicationErrorWithCause("open a\x1b[2J.tsv", "Type",
		fmt.Errorf("read b\u202e\n.tsv: %w", errors.New("plain")))
	failure := clean.ErrorToFailure(err)
	require.Equal(t, `open a\x1b[2J.tsv`, failure.Message)
	require.Equal(t, `read b\u202e\n.tsv: plain`, failure.Cause.Message)
	require.Nil(t, clean.ErrorToFailure(nil))
	var application *temporal.ApplicationError
	require.ErrorAs(t, clean.FailureToError(failure), &application)
	require.Equal(t, "Type", application.Type())
}
