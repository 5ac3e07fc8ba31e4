package versionkeys

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

var (
	sightingSchema = parquet.SchemaOf(struct {
		Service string `parquet:"service_name,dict,id(4)"`
		Version string `parquet:"version,dict,id(6)"`
	}{})
	historySchema = parquet.SchemaOf(struct {
		History []struct {
			Service string `parquet:"service,dict,id(13)"`
			Version string `parquet:"version,dict,id(15)"`
		} `parquet:"history,list,id(11)" parquet-element:",id(12)"`
	}{})
)

// StagePresent stages the versions of all sightings, and of all histories, as they are now.
func StagePresent(ctx context.Context, l *lake.Lake, folder string) (staged []string, err error) {
	c := NewCollector(l.Objects, folder)
	for _, source := range [...]struct {
		definition lake.TableDefinition
		read       func(context.Context, *lake.Lake, iceberg.DataFile, *Collector) error
	}{{lake.SilverSightings, addSightings}, {lake.GoldUsers, addHistories}} {
		loaded, err := l.Load(ctx, source.definition)
		if err != nil {
			return nil, err
		}
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		for _, file := range live {
			if err := source.read(ctx, l, file, c); err != nil {
				return nil, err
			}
		}
	}
	return c.Staged()
}

func addSightings(ctx context.Context, l *lake.Lake, file iceberg.DataFile, c *Collector) error {
	return l.ScanRaw(ctx, file, sightingSchema, func(row parquet.Row) error {
		return c.Add(objects.UnsafeString(row[0].ByteArray()), objects.UnsafeString(row[1].ByteArray()))
	})
}

func addHistories(ctx context.Context, l *lake.Lake, file iceberg.DataFile, c *Collector) (err error) {
	parsed, closeFile, err := l.OpenParquet(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	reader := parquet.NewGenericReader[any](parsed, historySchema)
	defer reader.Close()
	for batch := make([]parquet.Row, 128); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := reader.ReadRows(batch)
		for _, row := range batch[:n] {
			intervals := len(row) / 2 // first their services, then their versions
			for i := range intervals {
				if err := c.Add(objects.UnsafeString(row[i].ByteArray()),
					objects.UnsafeString(row[intervals+i].ByteArray())); err != nil {
					return err
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the versions of %s: %w", file.FilePath(), err)
		}
	}
}
