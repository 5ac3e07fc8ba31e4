package superset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const (
	pageWidth    = 1600
	pagePatience = 3 * time.Minute
)

// browser is a headless Chromium in which somebody logged in to Superset.
type browser struct {
	context.Context
	url string

	mu     sync.Mutex
	failed []string // answers to requests of charts that are no data
}

func newBrowser(t *testing.T, path, url, user, password string) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("hide-scrollbars", true))
	running, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	tab, cancel := chromedp.NewContext(running)
	t.Cleanup(cancel)
	b := &browser{Context: tab, url: url}
	require.NoError(t, chromedp.Listen(tab, b.note))
	_, err := chromedp.Call(tab, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(pageWidth, 1000), chromedp.Navigate(url+"/login/"),
		chromedp.WaitVisible("#username"), chromedp.SendKeys("#username", user),
		chromedp.SendKeys("#password", password+"\r")))
	require.Eventually(t, func() bool {
		where, err := chromedp.Run(tab, chromedp.Location())
		return err == nil && !strings.Contains(where, "/login")
	}, pagePatience, 100*time.Millisecond, "%s does not let %s in", url, user)
	return b
}

// note keeps answers to charts that are errors.
func (b *browser) note(event any) {
	response, ok := event.(*network.EventResponseReceived)
	if ok && strings.Contains(response.Response.URL, "/api/v1/chart/data") && response.Response.Status != 200 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.failed = append(b.failed, fmt.Sprintf("%s: %d", response.Response.URL, response.Response.Status))
	}
}

// Pieces of JavaScript: the charts of a page, whether one is at work, has something to show, has an error.
const (
	chartsOf = `[...document.querySelectorAll('[data-test="chart-grid-component"]')]`
	working  = `c.querySelector('.loading, [data-test="loading-indicator"], .ant-skeleton')`
	shows    = `c.querySelector('canvas, table, .header-line')`
	broken   = `c.querySelector('.alert, [role=alert], .ant-empty, .missing-chart-container')`
)

// page is what became of a dashboard.
type page struct {
	picture []byte
	took    time.Duration
	texts   []string // of all charts
	wrong   []string // what stands in the place of charts
}

// open opens a dashboard, waits until its charts are drawn, and takes a picture of all of it.
func (b *browser) open(t *testing.T, slug string, charts int) (p page) {
	t.Helper()
	b.mu.Lock()
	b.failed = nil
	b.mu.Unlock()
	began := time.Now()
	// All of the page is in sight: Superset draws no chart before it is.
	err := chromedp.Do(b, chromedp.EmulateViewport(pageWidth, 3600),
		chromedp.Navigate(b.url+"/superset/dashboard/"+slug+"/"),
		poll(fmt.Sprintf(chartsOf+".length >= %d && "+chartsOf+".every(c => !"+working+" && ("+shows+" || "+broken+"))",
			charts)))
	p.took = time.Since(began)
	if err != nil {
		b.explain(t, slug, err)
	}
	p.texts, err = chromedp.Run(b, chromedp.Evaluate[[]string](chartsOf+".map(c => c.innerText)"))
	require.NoError(t, err)
	p.wrong, err = chromedp.Run(b, chromedp.Evaluate[[]string](
		chartsOf+".filter(c => "+broken+" || !"+shows+").map(c => c.innerText)"))
	require.NoError(t, err)
	height, err := chromedp.Run(b, chromedp.Evaluate[int64](
		`Math.ceil(document.querySelector('[data-test="grid-content"]').getBoundingClientRect().bottom) + 10`))
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(b, chromedp.EmulateViewport(pageWidth, max(height, 400)), still))
	p.picture, err = chromedp.Run(b, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	p.wrong = append(p.wrong, b.failed...)
	return p
}

// still waits until charts stop moving: they are drawn with an animation of a second.
var still = chromedp.Evaluate[chromedp.Void]("new Promise(done => setTimeout(done, 2000))", chromedp.EvalAwaitPromise)

func poll(condition string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingTimeout(pagePatience),
		chromedp.WithPollingInterval(100*time.Millisecond))
}

// explain fails with what the page shows.
func (b *browser) explain(t *testing.T, slug string, err error) {
	t.Helper()
	text, _ := chromedp.Run(b, chromedp.Text("body"))
	picture, _ := chromedp.Run(b, chromedp.CaptureScreenshot())
	file := filepath.Join(pictures(t), slug+"-failed.png")
	require.NoError(t, os.WriteFile(file, picture, 0o644))
	require.NoError(t, err, "%s is as in %s, and says: %s", slug, file, text)
}

// pictures is a folder that stays.
func pictures(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(os.TempDir(), "versionlake-superset")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	return folder
}
