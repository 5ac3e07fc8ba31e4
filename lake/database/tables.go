package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
)

// Marked are the names of the tables in some namespaces that carry a property; tables of other programs may lie beside
// them.
func (c *Catalog) Marked(ctx context.Context, property string, namespaces ...string) (names []string, err error) {
	for _, space := range namespaces {
		for identifier, err := range c.ListTables(ctx, table.Identifier{space}) {
			if errors.Is(err, catalog.ErrNoSuchNamespace) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("list the tables of %s: %w", space, err)
			}
			name := strings.Join(identifier, ".")
			loaded, err := c.LoadTable(ctx, identifier)
			if err != nil {
				return nil, fmt.Errorf("load the table %s: %w", name, err)
			}
			if loaded.Properties()[property] != "" {
				names = append(names, name)
			}
		}
	}
	return names, nil
}
