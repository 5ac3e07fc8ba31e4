package lake

import (
	"fmt"

	"github.com/apache/iceberg-go"
)

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
