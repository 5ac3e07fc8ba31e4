package daily

// SummarizeAll keeps what even a file of one row counts, until the function that it returns is called.
func SummarizeAll() (back func()) {
	rows := summaryRows
	summaryRows = 1
	return func() { summaryRows = rows }
}
