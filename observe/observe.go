package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	goruntime "go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	prometheusexporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/sdk/activity"
)

const (
	scope         = "versionlake"
	temporalScope = "temporal-sdk-go"
	// flushTimeout bounds how long the end of a process waits until receivers have taken the rest.
	flushTimeout = 5 * time.Second
)

// secondBuckets are bounds for histograms of seconds: OpenTelemetry's own are for milliseconds.
var secondBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
	1800, 3600,
	4 * 3600, 12 * 3600}

// Options say how a process is observed, besides what OTEL_* variables say.
type Options struct {
	// Addr is where metrics are scraped and health is asked for; nowhere when empty.
	Addr string
	// Log is where lines of the log go.
	Log    io.Writer
	Format string // of the log: FormatText when empty, or FormatJSON
	Level  slog.Level
	// Every is the shortest time between two readings of the lake; DefaultEvery when zero.
	Every time.Duration
}

// DefaultEvery is the shortest time between two readings of the lake for its figures.
const DefaultEvery = 30 * time.Second

// Observer observes a process. A nil one observes nothing.
type Observer struct {
	logger   *slog.Logger
	own      *slog.Logger // of the process's log alone: a receiver can't be told that it is away
	recorder *Recorder    // nil: no metrics
	meters   *sdkmetric.MeterProvider
	tracers  *sdktrace.TracerProvider
	figures  *figures
	health   *health
	every    time.Duration
	undo     []func(context.Context) error // in the order of doing
}

// Start begins to observe the process. Close ends that.
func Start(ctx context.Context, o Options) (_ *Observer, err error) {
	observer := &Observer{every: o.Every}
	if o.Every == 0 {
		observer.every = DefaultEvery
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, observer.Close())
		}
	}()
	about, err := describe(ctx)
	if err != nil {
		return nil, err
	}
	service := serviceOf(about)
	handlers := []slog.Handler{stderrHandler(o, service)}
	observer.own = newLogger(handlers[0])
	if isOn("LOGS") {
		handler, err := observer.exportLogs(ctx, about, o.Level)
		if err != nil {
			return nil, err
		}
		handlers = append(handlers, handler)
	}
	observer.logger = newLogger(handlers...)
	if isOn("TRACES") {
		if err := observer.exportTraces(ctx, about); err != nil {
			return nil, err
		}
	}
	if isOn("METRICS") || o.Addr != "" {
		if err := observer.exportMetrics(ctx, about, o.Addr); err != nil {
			return nil, err
		}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(observer.failed))
	return observer, nil
}

// Logging observes nothing, and writes to a log.
func Logging(logger *slog.Logger) *Observer { return &Observer{logger: logger, own: logger} }

// Logger writes the process's log.
func (o *Observer) Logger() *slog.Logger {
	if o == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.logger
}

// Recorder is nil where no metrics are asked for.
func (o *Observer) Recorder() *Recorder {
	if o == nil {
		return nil
	}
	return o.recorder
}

// failed notes what went wrong with telemetry itself, which must not harm the work.
func (o *Observer) failed(err error) {
	o.own.Warn("telemetry", "error", err)
}

// Close sends what is left, for a bounded time, and ends everything.
func (o *Observer) Close() error {
	if o == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	for i := len(o.undo) - 1; i >= 0; i-- {
		if err := o.undo[i](ctx); err != nil { // a receiver that is away is no fault of the work that is done
			o.own.Warn("telemetry: what was left could not be sent", "error", err)
		}
	}
	o.undo = nil
	return nil
}

// isOn tells whether OTEL_* variables ask for a signal. Without any, there is none, though OpenTelemetry's own default
// is to send to localhost.
func isOn(signal string) bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	if exporter := os.Getenv("OTEL_" + signal + "_EXPORTER"); exporter != "" {
		return exporter != "none"
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
}

// describe is the process as receivers know it. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
func describe(ctx context.Context) (*resource.Resource, error) {
	attributes := []attribute.KeyValue{attribute.String("service.name", "versionlake")}
	if build, ok := debug.ReadBuildInfo(); ok {
		attributes = append(attributes, attribute.String("service.version", build.Main.Version))
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(attributes...), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe this process for telemetry, see OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return about, nil
}

func serviceOf(about *resource.Resource) string {
	name, _ := about.Set().Value("service.name")
	return name.AsString()
}

func (o *Observer) exportLogs(ctx context.Context, about *resource.Resource, level slog.Level) (slog.Handler, error) {
	exporter, err := autoexport.NewLogExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("export logs, see OTEL_LOGS_EXPORTER: %w", err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithResource(about),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)))
	o.undo = append(o.undo, provider.Shutdown)
	return exportHandler(provider, level), nil
}

func (o *Observer) exportTraces(ctx context.Context, about *resource.Resource) error {
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return fmt.Errorf("export traces, see OTEL_TRACES_EXPORTER: %w", err)
	}
	o.tracers = sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithBatcher(exporter))
	o.undo = append(o.undo, o.tracers.Shutdown)
	return nil
}

// exportMetrics sends metrics as OTEL_METRICS_EXPORTER says, and lets them be scraped at addr, which then stands for
// its prometheus, too.
func (o *Observer) exportMetrics(ctx context.Context, about *resource.Resource, addr string) error {
	options := []sdkmetric.Option{sdkmetric.WithResource(about), sdkmetric.WithView(inSeconds)}
	if isOn("METRICS") && (addr == "" || os.Getenv("OTEL_METRICS_EXPORTER") != "prometheus") {
		reader, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return fmt.Errorf("export metrics, see OTEL_METRICS_EXPORTER: %w", err)
		}
		options = append(options, sdkmetric.WithReader(reader))
	}
	if addr != "" {
		registry := prometheus.NewRegistry()
		exporter, err := prometheusexporter.New(prometheusexporter.WithRegisterer(registry),
			prometheusexporter.WithoutScopeInfo())
		if err != nil {
			return fmt.Errorf("let metrics be scraped: %w", err)
		}
		options = append(options, sdkmetric.WithReader(exporter))
		if o.health, err = serve(addr, registry, o.logger); err != nil {
			return err
		}
		o.undo = append(o.undo, o.health.server.Shutdown)
	}
	o.meters = sdkmetric.NewMeterProvider(options...)
	o.undo = append(o.undo, o.meters.Shutdown)
	meter := o.meters.Meter(scope)
	var err error
	if o.recorder, err = newRecorder(meter); err != nil {
		return err
	}
	if err := observeProcess(meter); err != nil {
		return err
	}
	if o.figures, err = newFigures(meter, o.recorder, o.every); err != nil {
		return err
	}
	return goruntime.Start(goruntime.WithMeterProvider(o.meters))
}

// inSeconds gives all histograms of seconds bounds that fit.
func inSeconds(instrument sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	if instrument.Kind != sdkmetric.InstrumentKindHistogram || instrument.Unit != "s" {
		return sdkmetric.Stream{}, false
	}
	return sdkmetric.Stream{Name: instrument.Name, Description: instrument.Description, Unit: instrument.Unit,
		Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: secondBuckets}}, true
}

func stepName(ctx context.Context) string { return activity.GetInfo(ctx).ActivityType.Name }

// httpError is what a server of ours ended with, if that was not asked for.
func httpError(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
