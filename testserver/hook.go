package testserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Hook is a server that takes posts, as Slack's incoming webhooks and others do.
type Hook struct {
	URL string // with a path that nobody may learn

	mutex  sync.Mutex
	posts  []Post
	status int
}

// Post is what a Hook was sent.
type Post struct {
	Header http.Header
	Body   string
}

// WebHook starts a server that runs until the test ends. secret is part of its URL.
func WebHook(tb testing.TB, secret string) *Hook {
	tb.Helper()
	h := &Hook{status: http.StatusOK}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		h.mutex.Lock()
		defer h.mutex.Unlock()
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/services/"+secret {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(h.status)
		if h.status != http.StatusOK {
			_, _ = io.WriteString(w, "no_service at "+r.URL.Path)
			return
		}
		h.posts = append(h.posts, Post{r.Header.Clone(), string(body)})
		_, _ = io.WriteString(w, "ok")
	}))
	tb.Cleanup(server.Close)
	h.URL = server.URL + "/services/" + secret
	return h
}

// Answer lets the server answer with a status from now on; only with 200 it keeps what comes.
func (h *Hook) Answer(status int) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.status = status
}

// Posts are those that it took so far.
func (h *Hook) Posts() []Post {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return append([]Post{}, h.posts...)
}
