package observe

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"
)

// Formats of the log.
const (
	FormatText = "text" // for people
	FormatJSON = "json" // an object a line, for the agents of Datadog and Elastic
)

// stderrHandler writes lines where the process's log goes.
func stderrHandler(o Options, service string) slog.Handler {
	if o.Format != FormatJSON {
		return slog.NewTextHandler(o.Log, &slog.HandlerOptions{Level: o.Level})
	}
	lines := slog.NewJSONHandler(o.Log, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: mapped})
	return &jsonLines{lines.WithAttrs([]slog.Attr{slog.String("service.name", service),
		slog.String("dd.service", service), slog.String("ecs.version", "8.11.0")})}
}

// mapped gives an attribute the name that Elastic's common schema has for it.
func mapped(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.String("@timestamp", a.Value.Time().UTC().Format(time.RFC3339Nano))
	case slog.MessageKey:
		a.Key = "message"
	case slog.LevelKey:
		a.Key = "log.level"
	case "error", "Error": // an object in that schema
		a.Key = "error.message"
	}
	return a
}

// jsonLines adds what Datadog's agent looks for under other names than Elastic's, and the ids of the trace.
type jsonLines struct{ slog.Handler }

// Handle implements slog.Handler.
func (h *jsonLines) Handle(ctx context.Context, record slog.Record) error {
	record = record.Clone()
	record.AddAttrs(slog.String("timestamp", record.Time.UTC().Format(time.RFC3339Nano)),
		slog.String("status", record.Level.String()))
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()),
			slog.String("span_id", span.SpanID().String()),
			slog.String("trace.id", span.TraceID().String()), slog.String("span.id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h *jsonLines) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &jsonLines{h.Handler.WithAttrs(attributes)}
}

// WithGroup implements slog.Handler.
func (h *jsonLines) WithGroup(name string) slog.Handler { return &jsonLines{h.Handler.WithGroup(name)} }

// exportHandler hands records to OpenTelemetry.
func exportHandler(provider *sdklog.LoggerProvider, level slog.Level) slog.Handler {
	return &leveled{otelslog.NewHandler(scope, otelslog.WithLoggerProvider(provider)), level}
}

// leveled leaves out what is below a level.
type leveled struct {
	slog.Handler
	level slog.Level
}

// Enabled implements slog.Handler.
func (h *leveled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *leveled) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &leveled{h.Handler.WithAttrs(attributes), h.level}
}

// WithGroup implements slog.Handler.
func (h *leveled) WithGroup(name string) slog.Handler {
	return &leveled{h.Handler.WithGroup(name), h.level}
}

func newLogger(handlers ...slog.Handler) *slog.Logger {
	if len(handlers) == 1 {
		return slog.New(&traced{Handler: handlers[0]})
	}
	return slog.New(&traced{Handler: slog.NewMultiHandler(handlers...)})
}

// traced finds the span of a line where Temporal's SDK has put it: among the attributes of its logger, as TraceID and
// SpanID, and not in the context.
type traced struct {
	slog.Handler
	trace trace.TraceID
	span  trace.SpanID
}

// Handle implements slog.Handler.
func (h *traced) Handle(ctx context.Context, record slog.Record) error {
	at := *h
	rest := slog.NewRecord(record.Time, record.Level, record.Message, record.PC)
	record.Attrs(func(a slog.Attr) bool {
		if !at.take(a) {
			rest.AddAttrs(a)
		}
		return true
	})
	if at.trace.IsValid() && !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: at.trace,
			SpanID: at.span, TraceFlags: trace.FlagsSampled}))
	}
	return h.Handler.Handle(ctx, rest)
}

// take tells whether an attribute names the span.
func (h *traced) take(a slog.Attr) bool {
	if a.Key != "TraceID" && a.Key != "SpanID" {
		return false
	}
	switch id := a.Value.Any().(type) {
	case trace.TraceID:
		h.trace = id
	case trace.SpanID:
		h.span = id
	default:
		return false
	}
	return true
}

// WithAttrs implements slog.Handler.
func (h *traced) WithAttrs(attributes []slog.Attr) slog.Handler {
	with := *h
	var rest []slog.Attr
	for _, a := range attributes {
		if !with.take(a) {
			rest = append(rest, a)
		}
	}
	with.Handler = h.Handler.WithAttrs(rest)
	return &with
}

// WithGroup implements slog.Handler.
func (h *traced) WithGroup(name string) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithGroup(name)
	return &with
}

// ParseLevel reads the level of a log. Its error does not repeat the text, which may be in the wrong variable.
func ParseLevel(text string) (level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return level, errors.New("is none of debug, info, warn, error")
	}
	return level, nil
}
