package source

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
)

// How a request to S3 is tried again, unless AWS_MAX_ATTEMPTS or AWS_RETRY_MODE say otherwise. A step makes
// hundreds of requests, and begins anew when one fails: where every third is refused, the SDK's own three attempts
// would not let it end.
const (
	s3Attempts   = 8
	s3FirstPause = 100 * time.Millisecond
	s3LastPause  = 5 * time.Second
)

// AWSConfig reads what every AWS tool reads: AWS_* variables, profiles, roles.
func AWSConfig(ctx context.Context) (aws.Config, error) {
	settings, err := config.LoadDefaultConfig(ctx)
	settings.APIOptions = append(settings.APIOptions, countRequests)
	if err == nil && settings.RetryMode == "" {
		settings.Retryer = func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.Backoff = s3Attempts, retry.BackoffDelayerFunc(s3Pause)
			})
		}
	}
	return settings, err
}

// s3Pause is any time up to a bound that doubles with each attempt.
func s3Pause(attempt int, _ error) (time.Duration, error) {
	return rand.N(min(s3FirstPause<<min(attempt, 10), s3LastPause)), nil
}
