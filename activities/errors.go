package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/source"
)

// Types of application errors on which a workflow or a caller decides.
const (
	// ErrorBadInput: the input of a workflow is wrong. It must be started again with another one.
	ErrorBadInput = "BadInput"
	// ErrorSettings: the worker's settings can't work.
	ErrorSettings = "Settings"
	// ErrorSourceChanged: a file is no longer the one that was listed. List the hour again.
	ErrorSourceChanged = "SourceChanged"
	// ErrorConflict: another writer committed to gold first. Plan again.
	ErrorConflict = "Conflict"
	// ErrorNoBronze: bronze does not hold the hour, so silver can't be made from it. Ingest it from the source.
	ErrorNoBronze = "NoBronze"
	// ErrorDropped: the hour's rows were dropped on purpose.
	ErrorDropped = "Dropped"
	// ErrorDenied: the source refuses us. Retried, since someone may grant access meanwhile.
	ErrorDenied = "AccessDenied"
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
	case errors.Is(err, lake.ErrNoBronze):
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrorNoBronze, nil)
	case errors.Is(err, lake.ErrConflict):
		return temporal.NewApplicationErrorWithOptions(err.Error(), ErrorConflict, temporal.ApplicationErrorOptions{
			NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign,
		})
	case errors.Is(err, lake.ErrDropped):
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrorDropped, nil)
	case errors.Is(err, source.ErrConfig), errors.Is(err, lake.ErrConfig):
		return temporal.NewNonRetryableApplicationError(
			err.Error()+"; correct the worker's settings, restart it, and start the hour again", ErrorSettings, nil)
	case errors.Is(err, source.ErrDenied):
		return temporal.NewApplicationError(err.Error()+"; tried again until access is granted", ErrorDenied)
	}
	return err
}
