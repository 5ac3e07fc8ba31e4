package activities

import (
	"fmt"
	"io/fs"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	client "github.com/trinodb/trino-go-client/trino"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/trino"
)

// TestListErrors: what a person has to mend ends a list with what to do; what may pass is tried again.
func TestListErrors(t *testing.T) {
	_, refused := net.Dial("tcp", "127.0.0.1:1")
	for _, c := range []struct {
		err   error
		final bool
		says  string
	}{
		{fmt.Errorf("%w, and the worker has none", errNoTrino), true, "Start workers with --trino"},
		{trino.ErrConfig, true, "Correct --trino"},
		{&client.ErrTrino{ErrorType: "USER_ERROR", Message: "Table 'x' does not exist"}, true, "Correct the view"},
		{&client.ErrQueryFailed{StatusCode: 401}, true, "refuses the login"},
		{&client.ErrTrino{ErrorType: "INSUFFICIENT_RESOURCES", ErrorName: "CLUSTER_OUT_OF_MEMORY"}, false, "--memory 8G"},
		{&client.ErrTrino{ErrorType: "INTERNAL_ERROR", Message: "oops"}, false, "tried again for some hours"},
		{&client.ErrQueryFailed{Reason: refused}, false, "Trino does not answer"},
		{refused, false, "tried again for some hours"},
		{objects.ErrConfig, true, "to, in the rules"},
		{&fs.PathError{Op: "open", Path: "/lists", Err: fs.ErrPermission}, true, "let the workers write there"},
		{answered(403), true, "let the keys of the workers write there"},
		{answered(404), true, "make its bucket"},
		{answered(503), false, "tried again for some hours"},
	} {
		err := listError(t.Context(), "stuck_users", fmt.Errorf("write the list: %w", c.err))
		var said *temporal.ApplicationError
		require.ErrorAs(t, err, &said)
		require.Equal(t, c.final, said.NonRetryable(), err)
		require.ErrorContains(t, err, c.says)
		require.ErrorContains(t, err, "the list stuck_users: ")
		require.ErrorContains(t, err, "`versionlake export VIEW --to PLACE`")
	}
}
