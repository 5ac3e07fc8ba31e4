package worker

import (
	"context"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/versionlake/versionlake/activities"
)

// namedClient is a client of the lake with a name: what it asks for by an id is that lake's.
type namedClient struct {
	client.Client
	queue string
}

// Named is a client of one of several lakes in a namespace; the one without a name is that of c.
func Named(c client.Client, name string) client.Client {
	if name == "" {
		return c
	}
	return &namedClient{Client: c, queue: activities.QueueOf(name)}
}

// unnamed is the SDK's own client, and the queue of the lake.
func unnamed(c client.Client) (own client.Client, queue string) {
	if named, ok := c.(*namedClient); ok {
		return named.Client, named.queue
	}
	return c, TaskQueue
}

func (c *namedClient) id(id string) string { return activities.IDIn(c.queue, id) }

func (c *namedClient) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, workflow any,
	inputs ...any) (client.WorkflowRun, error) {
	o.ID, o.TaskQueue = c.id(o.ID), c.queue
	return c.Client.ExecuteWorkflow(ctx, o, workflow, inputs...)
}

func (c *namedClient) SignalWithStartWorkflow(ctx context.Context, id, signal string, value any,
	o client.StartWorkflowOptions, workflow any, inputs ...any) (client.WorkflowRun, error) {
	o.ID, o.TaskQueue = c.id(o.ID), c.queue
	return c.Client.SignalWithStartWorkflow(ctx, c.id(id), signal, value, o, workflow, inputs...)
}

func (c *namedClient) GetWorkflow(ctx context.Context, id, run string) client.WorkflowRun {
	return c.Client.GetWorkflow(ctx, c.id(id), run)
}

func (c *namedClient) SignalWorkflow(ctx context.Context, id, run, signal string, value any) error {
	return c.Client.SignalWorkflow(ctx, c.id(id), run, signal, value)
}

func (c *namedClient) CancelWorkflow(ctx context.Context, id, run string) error {
	return c.Client.CancelWorkflow(ctx, c.id(id), run)
}

func (c *namedClient) TerminateWorkflow(ctx context.Context, id, run, reason string, details ...any) error {
	return c.Client.TerminateWorkflow(ctx, c.id(id), run, reason, details...)
}

func (c *namedClient) QueryWorkflow(ctx context.Context, id, run, query string, values ...any) (converter.EncodedValue,
	error) {
	return c.Client.QueryWorkflow(ctx, c.id(id), run, query, values...)
}

func (c *namedClient) DescribeWorkflowExecution(ctx context.Context, id,
	run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return c.Client.DescribeWorkflowExecution(ctx, c.id(id), run)
}
