package lake

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

var (
	HourPartition = []string{"p_ingest_date_utc", hourColumn}
	DayPartition  = []string{"p_ingest_date_utc"}
)

func (d TableDefinition) Spec(buckets int) iceberg.PartitionSpec {
	if d.BucketBy != "" {
		return iceberg.NewPartitionSpec(iceberg.PartitionField{
			SourceIDs: []int{d.FieldID(d.BucketBy)}, FieldID: PartitionFieldID,
			Transform: iceberg.BucketTransform{NumBuckets: buckets}, Name: d.BucketBy + "_bucket",
		})
	}
	if d.MonthOf != "" {
		return iceberg.NewPartitionSpec(iceberg.PartitionField{
			SourceIDs: []int{d.FieldID(d.MonthOf)}, FieldID: PartitionFieldID, Transform: iceberg.MonthTransform{},
			Name: d.MonthOf + "_month",
		})
	}
	fields := make([]iceberg.PartitionField, len(d.Partition))
	for i, column := range d.Partition {
		fields[i] = iceberg.PartitionField{
			SourceIDs: []int{d.FieldID(column)}, FieldID: PartitionFieldID + i, Transform: iceberg.IdentityTransform{},
			Name: column,
		}
	}
	return iceberg.NewPartitionSpec(fields...)
}

// PartitionFieldID is where Iceberg starts to number partition fields.
const PartitionFieldID = 1000

// Partition is where a file belongs: an hour, a day, or a bucket.
type Partition struct {
	Folder string
	Values map[int]any
}

func HourOf(hour telemetry.Hour) Partition {
	day := DayOf(hour)
	day.Folder += fmt.Sprintf("/p_ingest_hour_utc=%d", hour.OfDay())
	day.Values[PartitionFieldID+1] = hour.OfDay()
	return day
}

func DayOf(hour telemetry.Hour) Partition {
	return Partition{
		Folder: "p_ingest_date_utc=" + hour.Start().Format("2006-01-02"),
		Values: map[int]any{PartitionFieldID: iceberg.Date(hour.Date())},
	}
}

// HourOfFile is the partition of a file, in a table that is partitioned by hour.
func HourOfFile(file iceberg.DataFile) (telemetry.Hour, error) {
	date, ok1 := file.Partition()[PartitionFieldID].(iceberg.Date)
	hour, ok2 := file.Partition()[PartitionFieldID+1].(int32)
	if !ok1 || !ok2 {
		return 0, fmt.Errorf("file %s has no hour: %v", file.FilePath(), file.Partition())
	}
	return FirstHour(date) + telemetry.Hour(hour), nil
}

// FirstHour is the hour in which a day begins.
func FirstHour[D ~int32](day D) telemetry.Hour { return telemetry.Hour(day) * 24 }

// HoursBetween selects the partitions of the days that [from, to) touches.
func HoursBetween(from, to telemetry.Hour) table.ScanOption {
	return table.WithRowFilter(iceberg.NewAnd(
		iceberg.GreaterThanEqual(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(from.Date())),
		iceberg.LessThanEqual(iceberg.Reference("p_ingest_date_utc"), iceberg.Date((to-1).Date()))))
}

// OfHour selects the files that may hold rows of an hour.
func OfHour(hour telemetry.Hour) table.ScanOption {
	return table.WithRowFilter(iceberg.NewAnd(
		iceberg.EqualTo(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(hour.Date())),
		iceberg.EqualTo(iceberg.Reference(hourColumn), hour.OfDay())))
}

// BucketFunc is Iceberg's bucket transform of user ids.
func BucketFunc(buckets int) func(string) int {
	transform := iceberg.BucketTransform{NumBuckets: buckets}.Transformer(iceberg.PrimitiveTypes.String)
	return func(user string) int { return int(transform(user).Val) }
}

// BucketsOf reads the number of buckets from the table: the setting only counts when it is made.
func BucketsOf(spec iceberg.PartitionSpec) (int, error) {
	for _, field := range spec.Fields() {
		if transform, ok := field.Transform.(iceberg.BucketTransform); ok {
			return transform.NumBuckets, nil
		}
	}
	return 0, fmt.Errorf("gold.users is not partitioned by bucket(user_id): %s", spec.String())
}

const hourColumn = "p_ingest_hour_utc"

// hourFields are the ids of the hour's column in the tables whose partitions hold several hours.
var hourFields = func() map[string]int {
	fields := map[string]int{}
	for _, definition := range TableDefinitions {
		if !slices.Equal(definition.Partition, DayPartition) {
			continue
		}
		if field, ok := definition.Schema().FindFieldByName(hourColumn); ok {
			fields[definition.Name] = field.ID
		}
	}
	return fields
}()

// ByDay tells that a file of the table may hold several hours.
func (d TableDefinition) ByDay() bool { return hourFields[d.Name] != 0 }

// At is where the rows of an hour belong.
func (d TableDefinition) At(hour telemetry.Hour) Partition {
	if slices.Equal(d.Partition, HourPartition) {
		return HourOf(hour)
	}
	return DayOf(hour)
}

// HoursOf are the first and the last hour that a file may have rows of. A file that is not divided by hours counts
// as the first one of its day.
func (d TableDefinition) HoursOf(file iceberg.DataFile) (first, last telemetry.Hour, err error) {
	if slices.Equal(d.Partition, HourPartition) {
		hour, err := HourOfFile(file)
		return hour, hour, err
	}
	date, ok := file.Partition()[PartitionFieldID].(iceberg.Date)
	if !d.ByDay() {
		return FirstHour(date), FirstHour(date), nil
	}
	if !ok {
		return 0, 0, fmt.Errorf("file %s has no day: %v", file.FilePath(), file.Partition())
	}
	low, high := file.LowerBoundValues()[hourFields[d.Name]], file.UpperBoundValues()[hourFields[d.Name]]
	if len(low) != 4 || len(high) != 4 { // another engine's
		return FirstHour(date), FirstHour(date) + 23, nil
	}
	hour := func(bound []byte) telemetry.Hour {
		return FirstHour(date) + telemetry.Hour(int32(binary.LittleEndian.Uint32(bound)))
	}
	return hour(low), hour(high), nil
}

// Hourly is a row that says its hour.
type Hourly interface{ Hour() telemetry.Hour }

func HourOfRow(date, hourOfDay int32) telemetry.Hour {
	return FirstHour(date) + telemetry.Hour(hourOfDay)
}

// Bounds reads a long column's smallest and largest value in a file; everything where the file has no statistics.
func Bounds(file iceberg.DataFile, fieldID int) (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	if b := file.LowerBoundValues()[fieldID]; len(b) == 8 {
		low = int64(binary.LittleEndian.Uint64(b))
	}
	if b := file.UpperBoundValues()[fieldID]; len(b) == 8 {
		high = int64(binary.LittleEndian.Uint64(b))
	}
	return low, high
}
