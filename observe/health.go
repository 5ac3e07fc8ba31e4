package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/versionlake/versionlake/terminal"
)

const (
	// readyFor is how long an answer of the checks counts: probes come often, and each asks servers.
	readyFor = 2 * time.Second
	// checkTimeout bounds the checks together.
	checkTimeout = 5 * time.Second
)

// A Check finds out whether something that the work needs is there.
type Check struct {
	Name string
	Ask  func(context.Context) error
}

// health serves /metrics, /livez and /readyz.
type health struct {
	server *http.Server
	addr   string
	logger *slog.Logger

	mutex    sync.Mutex
	checks   []Check // nil: the process is not up yet
	draining bool
	asked    time.Time
	failures []string
}

func serve(addr string, registry *prometheus.Registry, logger *slog.Logger) (*health, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen at --metrics-addr %s: %w; name a free address such as :9464", addr, err)
	}
	h := &health{addr: listener.Addr().String(), logger: logger}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics",
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", h.ready)
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: checkTimeout}
	go func() {
		if err := httpError(h.server.Serve(listener)); err != nil {
			logger.Error("metrics and health are no longer served", "error", err)
		}
	}()
	logger.Info("serving /metrics, /livez and /readyz", "address", h.addr)
	return h, nil
}

// Ready says what must be there for the process to be ready. Until then it is not.
func (o *Observer) Ready(checks ...Check) {
	if o == nil || o.health == nil {
		return
	}
	o.health.mutex.Lock()
	defer o.health.mutex.Unlock()
	o.health.checks, o.health.asked = checks, time.Time{}
}

// Drain says that the process takes no more work.
func (o *Observer) Drain() {
	if o == nil || o.health == nil {
		return
	}
	o.health.mutex.Lock()
	defer o.health.mutex.Unlock()
	o.health.draining = true
}

// Addr is where metrics are served; "" when nowhere.
func (o *Observer) Addr() string {
	if o == nil || o.health == nil {
		return ""
	}
	return o.health.addr
}

func (h *health) ready(w http.ResponseWriter, request *http.Request) {
	if failures := h.ask(request.Context()); len(failures) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, terminal.Clean(strings.Join(failures, "; ")))
		return
	}
	fmt.Fprintln(w, "ok")
}

// ask names what is missing. What an error says is for the log: whoever asks here may be anybody.
func (h *health) ask(ctx context.Context) []string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	switch {
	case h.draining:
		return []string{"draining"}
	case h.checks == nil:
		return []string{"starting: waiting for Temporal, the catalog or the warehouse"}
	case time.Since(h.asked) < readyFor:
		return h.failures
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	before := h.failures
	h.failures = nil
	for _, check := range h.checks {
		err := check.Ask(ctx)
		if err == nil {
			continue
		}
		h.failures = append(h.failures, check.Name)
		if !slices.Contains(before, check.Name) {
			h.logger.Warn("not ready", "check", check.Name, "error", err)
		}
	}
	h.asked = time.Now()
	return h.failures
}
