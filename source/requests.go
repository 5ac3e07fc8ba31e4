package source

import (
	"context"
	"strings"
	"sync/atomic"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// Requests are those that this process made to S3 through AWSConfig, tries included, by the kinds that stores price
// alike.
type Requests struct{ Write, List, Read, Delete int64 }

var requested struct{ write, list, read, delete atomic.Int64 }

// RequestsMade are the requests so far.
func RequestsMade() Requests {
	return Requests{Write: requested.write.Load(), List: requested.list.Load(), Read: requested.read.Load(),
		Delete: requested.delete.Load()}
}

// countRequests counts beneath the retries, so that each try is one.
func countRequests(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CountRequests", func(ctx context.Context,
		in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput,
		middleware.Metadata, error) {
		switch operation := awsmiddleware.GetOperationName(ctx); {
		case strings.HasPrefix(operation, "List"):
			requested.list.Add(1)
		case strings.HasPrefix(operation, "Delete"), strings.HasPrefix(operation, "Abort"):
			requested.delete.Add(1)
		case strings.HasPrefix(operation, "Get"), strings.HasPrefix(operation, "Head"):
			requested.read.Add(1)
		default:
			requested.write.Add(1)
		}
		return next.HandleDeserialize(ctx, in)
	}), middleware.After)
}
