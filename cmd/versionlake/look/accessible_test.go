package look_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/testserver"
)

// violations are what axe-core finds on a page, one in a line.
const violations = `axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(v =>
	v.id + ': ' + v.help + ' at ' + v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(', ')))`

// testAccessible opens a page wide and narrow, light and dark, and lets axe-core look at it; each time it must find
// what is planted then.
func testAccessible(t *testing.T, file, pictures string) {
	const notDone = "NO PAGE WAS LOOKED AT for whether people can read it"
	program, axe := testserver.Chromium(t, notDone), testserver.Axe(t, notDone)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-dev-shm-usage", true))
	limited, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	running, cancel := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(cancel)
	tab, cancel := chromedp.NewContext(running)
	t.Cleanup(cancel)
	for _, width := range []int64{1280, 360} {
		for _, scheme := range []string{"light", "dark"} {
			name := fmt.Sprintf("%s-%d-%s", strings.TrimSuffix(filepath.Base(file), ".html"), width, scheme)
			t.Run(name, func(t *testing.T) {
				_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				require.NoError(t, err)
				require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 900),
					chromedp.Navigate("file://"+file)))
				picture, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(pictures, name+".png"), picture, 0o600))
				over, err := chromedp.Run(tab, chromedp.Evaluate[int64](
					"document.documentElement.scrollWidth - document.documentElement.clientWidth"))
				require.NoError(t, err)
				require.LessOrEqual(t, over, int64(0), "the page is wider than the window")
				look := func() []string {
					found, err := chromedp.Run(tab, chromedp.Evaluate[[]string](violations, chromedp.EvalAwaitPromise))
					require.NoError(t, err)
					return found
				}
				_, err = chromedp.Run(tab, chromedp.Evaluate[bool](axe+"; true"))
				require.NoError(t, err)
				require.Empty(t, look())
				_, err = chromedp.Run(tab, chromedp.Evaluate[bool]("document.body.insertAdjacentHTML("+
					"'beforeend', '<img src=\"data:,\"><p style=\"color: #777; background: #888\">pale</p>'); true"))
				require.NoError(t, err)
				require.Regexp(t, "(?s)color-contrast.*image-alt", strings.Join(look(), "\n"),
					"axe-core finds what is planted")
			})
		}
	}
}
