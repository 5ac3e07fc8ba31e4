package observe

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/versionlake/versionlake/source"
)

// observeProcess counts what others keep count of: the requests of this process, and its processors' time.
func observeProcess(meter metric.Meter) error {
	requests, err := meter.Int64ObservableCounter(storeRequests, metric.WithUnit("{request}"))
	if err != nil {
		return fmt.Errorf("make the metric %s: %w", storeRequests, err)
	}
	cpu, err := meter.Float64ObservableCounter(cpuTime, metric.WithUnit("s"))
	if err != nil {
		return fmt.Errorf("make the metric %s: %w", cpuTime, err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		made := source.RequestsMade()
		for kind, n := range map[string]int64{"write": made.Write, "list": made.List, "read": made.Read,
			"delete": made.Delete} {
			o.ObserveInt64(requests, n, with("kind", kind))
		}
		if user, system, known := processorTime(); known {
			o.ObserveFloat64(cpu, user.Seconds(), with("cpu.mode", "user"))
			o.ObserveFloat64(cpu, system.Seconds(), with("cpu.mode", "system"))
		}
		return nil
	}, requests, cpu)
	return err
}
