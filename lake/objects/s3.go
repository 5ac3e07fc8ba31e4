package objects

import (
	"context"
	"net/url"

	icebergio "github.com/apache/iceberg-go/io"
	_ "github.com/apache/iceberg-go/io/gocloud/s3"
	"github.com/apache/iceberg-go/utils"

	"github.com/versionlake/versionlake/source"
)

// Iceberg's S3 I/O takes its retries from no property, only from a configuration in the context, which every load
// of a table would have to carry.
func init() {
	icebergio.Unregister("s3")
	icebergio.Register("s3", func(ctx context.Context, location *url.URL, properties map[string]string) (icebergio.IO,
		error) {
		settings, err := source.AWSConfig(ctx)
		if err != nil {
			return nil, err
		}
		return icebergio.LoadFS(utils.WithAwsConfig(ctx, &settings), properties, "s3a://"+location.Host)
	})
}
