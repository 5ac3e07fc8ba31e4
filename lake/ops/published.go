package ops

// Periods that numbers are published of.
const (
	PeriodDay   = "day"
	PeriodMonth = "month"
)

// PublishedRow is a row of ops.published.
type PublishedRow struct {
	// UTC date that the number is of; of a month its first.
	Date int32 `parquet:"date_utc,date,id(1)"`
	// What it is of: day or month.
	Period string `parquet:"period,dict,id(2)"`
	// When it was published, at the end of the period, UTC.
	PublishedAt int64 `parquet:"published_at,timestamp(microsecond),id(3)"`
	// Id of the service or product.
	Service string `parquet:"service,dict,id(4)"`
	// Version that was running; NULL where no sighting told.
	Version string `parquet:"version,optional,dict,id(5)"`
	// Column of gold.version_daily that it is the sum of, over devices, and in a month over its days.
	Metric string `parquet:"metric,dict,id(6)"`
	// The number that was said then; noughts have no row.
	Value int64 `parquet:"value,id(7)"`
}
