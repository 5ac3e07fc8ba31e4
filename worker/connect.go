package worker

import (
	"context"
	"errors"
	"fmt"
	"os"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows"
)

// Configured tells whether TEMPORAL_* variables or Temporal's own configuration file name a server.
func Configured() (bool, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{})
	if err != nil {
		return false, fmt.Errorf("read Temporal's settings: %w; see TEMPORAL_CONFIG_FILE and TEMPORAL_PROFILE", err)
	}
	return profile.Address != "" || profile.APIKey != "", nil
}

// Connect connects to the server that TEMPORAL_* variables or Temporal's configuration file name, else to
// localhost:7233. It returns the address and the namespace, too. Who observes it may be nil: nobody.
func Connect(ctx context.Context, o *observe.Observer) (client.Client, client.Options, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, options, fmt.Errorf("read Temporal's settings: %w; see TEMPORAL_CONFIG_FILE and TEMPORAL_PROFILE",
			err)
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	c, err := dial(ctx, options, o)
	return c, options, err
}

// ConnectTo connects to a local server without any security, such as a DevServer.
func ConnectTo(ctx context.Context, address string, o *observe.Observer) (client.Client, error) {
	return dial(ctx, client.Options{HostPort: address, Namespace: client.DefaultNamespace}, o)
}

func dial(ctx context.Context, options client.Options, o *observe.Observer) (client.Client, error) {
	options.Logger = log.NewStructuredLogger(o.Logger())
	if options.Identity == "" {
		options.Identity = identity()
	}
	if err := o.Client(&options); err != nil {
		return nil, err
	}
	options.FailureConverter = cleanFailures{temporal.GetDefaultFailureConverter()}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf(
			"connect to Temporal at %s, namespace %s: %w; is the server up, and TEMPORAL_ADDRESS right?",
			options.HostPort, options.Namespace, err)
	}
	return c, nil
}

// identity is how this process calls itself to Temporal.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%d@%s", os.Getpid(), host)
}

// cleanFailures keeps what errors repeat of files and clients from moving a cursor or beginning a line, wherever
// Temporal shows them.
type cleanFailures struct{ converter.FailureConverter }

// ErrorToFailure implements converter.FailureConverter.
func (c cleanFailures) ErrorToFailure(err error) *failurepb.Failure {
	failure := c.FailureConverter.ErrorToFailure(err)
	for each := failure; each != nil; each = each.Cause {
		if clean := terminal.Clean(each.Message); clean != each.Message { // others may be reading it
			each.Message = clean
		}
	}
	return failure
}

// IsUnreachable tells that Temporal's server does not answer.
func IsUnreachable(err error) bool {
	var unavailable *serviceerror.Unavailable
	return errors.As(err, &unavailable) || errors.Is(err, context.DeadlineExceeded)
}

// EnsureSearchAttributes registers the search attributes of our workflows where they are missing. Without them no
// workflow gets further than its first step.
func EnsureSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	missing, byHand, err := MissingSearchAttributes(ctx, c, namespace)
	if err != nil || len(missing) == 0 {
		return err
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx,
		&operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	if _, exists := err.(*serviceerror.AlreadyExists); err != nil && !exists {
		return fmt.Errorf("register the search attributes of namespace %s: %w; %s", namespace, err, byHand)
	}
	return nil
}

// MissingSearchAttributes are those of our workflows that a namespace lacks, and how somebody adds them by hand.
func MissingSearchAttributes(ctx context.Context, c client.Client, namespace string) (
	missing map[string]enumspb.IndexedValueType, byHand string, err error) {
	missing = map[string]enumspb.IndexedValueType{
		workflows.HoursAttribute.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
		workflows.StateAttribute.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	}
	byHand = fmt.Sprintf("someone who may must run: temporal operator search-attribute create --namespace %s "+
		"--name %s --type KeywordList --name %s --type Keyword",
		namespace, workflows.HoursAttribute.GetName(), workflows.StateAttribute.GetName())
	known, err := c.OperatorService().ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, byHand, fmt.Errorf("list the search attributes of namespace %s: %w; if they are missing, %s",
			namespace, err, byHand)
	}
	for name, kind := range missing {
		found, ok := known.CustomAttributes[name]
		if ok && found != kind {
			return nil, byHand, fmt.Errorf("the search attribute %s of namespace %s is of type %s, not %s; remove "+
				"it, or use a namespace of our own", name, namespace, found, kind)
		}
		if ok {
			delete(missing, name)
		}
	}
	return missing, byHand, nil
}
