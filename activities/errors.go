package activities

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/sdk/temporal"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/terminal"
)

// Types of application errors on which a workflow or a caller decides.
const (
	// ErrorBadInput: the input of a workflow is wrong. It must be started again with another one.
	ErrorBadInput = "BadInput"
	// ErrorSettings: the worker's settings can't work.
	ErrorSettings = "Settings"
	// ErrorSourceChanged: a file is no longer the one that was listed. List the hour again.
	ErrorSourceChanged = "SourceChanged"
	// ErrorForgotten: a user was forgotten meanwhile. Stage the hour again; or, of an erasure, look for sessions again.
	ErrorForgotten = "Forgotten"
	// ErrorNotForgetting: nobody is being forgotten under the name of the erasure: another run of it ended, or it
	// never began.
	ErrorNotForgetting = "NotForgetting"
	// ErrorConflict: another writer committed to gold first. Plan again.
	ErrorConflict = "Conflict"
	// ErrorNoBronze: bronze does not hold the hour, so silver can't be made from it. Ingest it from the source.
	ErrorNoBronze = "NoBronze"
	// ErrorDropped: the hour's rows were dropped on purpose.
	ErrorDropped = "Dropped"
	// ErrorNoHours: no folder of the source is that of an hour. Nothing was changed; name the right source or layout.
	ErrorNoHours = "NoHours"
	// ErrorOutage: a server or a disk does not do its part. Retried until it does.
	ErrorOutage = "Outage"
	// ErrorDamaged: an object of the warehouse is gone, or not what was written. Repair the lake.
	ErrorDamaged = "Damaged"
	// ErrorDenied: the source refuses us. Retried, since someone may grant access meanwhile.
	ErrorDenied = "AccessDenied"
	// ErrorStopping: the worker was told to stop before the step had ended. Another one begins it again at once.
	ErrorStopping = "Stopping"
)

// BadInput is the failure of a workflow that was started with a wrong input.
func BadInput(message string, cause error) error {
	return temporal.NewNonRetryableApplicationError(message, ErrorBadInput, cause)
}

// temporalError says what Temporal should do about an error: try again, unless it's known that this can't help.
func temporalError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err // cancelled, or the worker stops: what the step says about it is noise
	case errors.Is(err, source.ErrChanged), errors.Is(err, source.ErrNotFound):
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrorSourceChanged, nil)
	case errors.Is(err, hours.ErrNoBronze):
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrorNoBronze, nil)
	case errors.Is(err, lake.ErrStale):
		return temporal.NewApplicationErrorWithOptions(err.Error(), ErrorForgotten, temporal.ApplicationErrorOptions{
			NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign,
		})
	case errors.Is(err, lake.ErrNotForgetting):
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrorNotForgetting, nil)
	case errors.Is(err, lake.ErrConflict):
		return temporal.NewApplicationErrorWithOptions(err.Error(), ErrorConflict, temporal.ApplicationErrorOptions{
			NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign,
		})
	case errors.Is(err, lake.ErrDropped):
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrorDropped, nil)
	case objects.IsDamage(err):
		return temporal.NewNonRetryableApplicationError(err.Error()+
			"; versionlake verify says what else can't be read, "+
			"and versionlake repair mends it", ErrorDamaged, nil)
	case errors.Is(err, source.ErrNoHours):
		return temporal.NewNonRetryableApplicationError(err.Error()+". Nothing was changed", ErrorNoHours, nil)
	case errors.Is(err, source.ErrConfig), errors.Is(err, objects.ErrConfig):
		return temporal.NewNonRetryableApplicationError(
			err.Error()+"; correct the worker's settings, restart it, and start the hour again", ErrorSettings, nil)
	case errors.Is(err, source.ErrDenied):
		return temporal.NewApplicationError(err.Error()+"; tried again until access is granted", ErrorDenied)
	}
	if what := Awaited(err); what != "" {
		return temporal.NewApplicationError("waiting until "+what+"; nothing needs to be started again. The last try: "+
			terminal.Error(err), ErrorOutage)
	}
	return err
}

// Awaited says in plain words what an outage is over with; empty where the error does not tell.
func Awaited(err error) string {
	var state interface{ SQLState() string } // an answer of Postgres
	var connect *pgconn.ConnectError
	var status interface{ HTTPStatusCode() int } // an answer of S3
	var network net.Error
	var local *sqlite.Error // the catalog's database
	switch {
	case errors.As(err, &local) && local.Code()&0xff == sqlite3.SQLITE_FULL, errors.Is(err, syscall.ENOSPC),
		errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return "there is room on the disk again"
	case errors.As(err, &state): // before what it is wrapped in: a wrong password is no outage
		switch class := state.SQLState()[:min(2, len(state.SQLState()))]; class {
		case "08", "53", "57": // connections, resources, an operator's doing
			return "the database of the catalog works again"
		}
	// the last: "conn closed"
	case errors.As(err, &connect), errors.Is(err, driver.ErrBadConn), pgconn.SafeToRetry(err):
		return "the database of the catalog can be reached"
	case errors.As(err, &status) && (status.HTTPStatusCode() >= 500 || status.HTTPStatusCode() == 429):
		return "S3 takes requests again"
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF):
		return "the source, the warehouse and the catalog can be reached"
	}
	return ""
}
