package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// checkSource lists the source, and reads of its newest file.
func (d *doctor) checkSource(ctx context.Context) {
	src, err := session.WorkSource(ctx, d.Settings)
	if err != nil && d.Source == "" {
		d.say("source", note, "none is named, so nothing can be ingested",
			"name the folder or the s3://bucket/prefix of the telemetry files with --source, or as source: in "+
				d.File())
		return
	}
	if err != nil {
		d.say("source", wrong, text(err), "")
		return
	}
	switch err := src.CheckHours(ctx); {
	case errors.Is(err, source.ErrNoHours):
		d.say("source", ok, src.String()+" can be listed", "")
		d.say("layout", wrong, text(err), "")
		return
	case err != nil:
		d.say("source", wrong, fmt.Sprintf("%s can't be listed: %s", src, text(err)), "")
		return
	}
	newest, file, head, err := newestFile(ctx, src)
	switch {
	case err == nil && file.Key != "":
		d.say("source", ok, fmt.Sprintf("%s can be listed and read; its newest hour is %s, which has %s", src, newest,
			file.Key), "")
		d.checkLines(newest, file, head)
	case err == nil:
		d.say("source", warning, fmt.Sprintf("%s can be listed, and has no file that is read", src),
			"name the endings of its files with --endings")
	case errors.Is(err, context.DeadlineExceeded):
		d.say("source", ok, fmt.Sprintf("%s can be listed; it is too large to look for its newest file", src), "")
	default:
		d.say("source", wrong, fmt.Sprintf("%s can be listed, and not read: %s", src, text(err)),
			"grant the right to read its files")
	}
	if strays := src.Strays(ctx); len(strays) > 0 {
		d.say("layout", warning, strings.Join(strays, "; "), "")
		return
	}
	d.say("layout", ok, "all folders that look like hours are read", "")
}

// newestFile finds the newest hour with a file, and reads the begin of it.
func newestFile(ctx context.Context, src source.Source) (newest telemetry.Hour, file source.File, head []byte,
	err error) {
	end := telemetry.HourOf(time.Now()) + 2
	for _, days := range []telemetry.Hour{2, 60, 100 * 365} {
		hours, err := src.Hours(ctx, end-days*24, end)
		if err != nil {
			return 0, file, nil, err
		}
		for i := len(hours) - 1; i >= 0; i-- {
			listing, err := src.List(ctx, hours[i])
			if err != nil {
				return 0, file, nil, err
			}
			if len(listing.Files) > 0 {
				head, err = headOf(ctx, src, listing.Files[0])
				return hours[i], listing.Files[0], head, err
			}
		}
	}
	return 0, file, nil, nil
}
