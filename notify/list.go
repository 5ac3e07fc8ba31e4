package notify

import "github.com/versionlake/versionlake/lake/lists"

// List is a view that is written into a file each day.
type List struct {
	View   string `yaml:"view"`
	To     string `yaml:"to"`     // a folder, or s3://bucket/prefix
	Format string `yaml:"format"` // csv when empty, or parquet
}

// Of is the list to be written.
func (l *List) Of() lists.List { return lists.List{View: l.View, To: l.To, Format: l.Format} }

func (l *List) check() error {
	list := l.Of()
	return list.Check()
}
