package source

import (
	"context"
	"errors"
	"io"

	"github.com/versionlake/versionlake/telemetry"
)

// ErrNone: whoever has no source is asked for files. Trying again helps once a process with a source goes on.
var ErrNone = errors.New(
	"no source is named; what was begun goes on with the next command that names one with --source")

// None is for work that reads no source, so that nobody need name one. What reads it all the same fails with
// ErrNone, and never finds that there are no files.
func None() Source { return none{} }

type none struct{}

func (none) String() string { return "none" }

func (none) List(context.Context, telemetry.Hour) (Listing, error) { return Listing{}, ErrNone }

func (none) Hours(context.Context, telemetry.Hour, telemetry.Hour) ([]telemetry.Hour, error) {
	return nil, ErrNone
}

func (none) Open(context.Context, File, int64, int64) (io.ReadCloser, error) { return nil, ErrNone }

func (none) CheckHours(context.Context) error { return ErrNone }

func (none) Strays(context.Context) []string { return nil }
