package testserver

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Fault is what goes wrong with one request.
type Fault int

// Faults of an S3 server.
const (
	NoFault   Fault = iota
	Refused         // before the effect: the server does not see the request, and the client is told to slow down
	FailsLate       // after the effect: the server does what it was asked for, and the client is told that it failed
	Cut             // likewise, and the connection ends without an answer
	Torn            // the answer ends in its middle
	Slow            // the answer comes late
	Forbidden       // before the effect: the client has no right to what it asks for
	Archived        // likewise: the object lies in a class that can't be read at once
	NoKey           // likewise: the KMS key of the object is switched off
)

// slowness is how late a Slow answer comes.
const slowness = 300 * time.Millisecond

// Behind is the server as seen through a proxy that lets requests fail as choose says, which is asked from several
// goroutines.
func (s S3Server) Behind(tb testing.TB, choose func(*http.Request) Fault) S3Server {
	tb.Helper()
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		tb.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }, // which is signed
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch choose(r) {
		case Refused:
			_, _ = io.Copy(io.Discard, r.Body) // a client that goes away is of no matter here
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
			return
		case Forbidden:
			refuse(w, http.StatusForbidden, "AccessDenied")
			return
		case Archived:
			refuse(w, http.StatusForbidden, "InvalidObjectState")
			return
		case NoKey:
			refuse(w, http.StatusBadRequest, "KMS.DisabledException")
			return
		case FailsLate:
			proxy.ServeHTTP(nowhere{http.Header{}}, r)
			refuse(w, http.StatusInternalServerError, "InternalError")
			return
		case Cut:
			proxy.ServeHTTP(nowhere{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		case Torn:
			w = &tearing{ResponseWriter: w}
		case Slow:
			time.Sleep(slowness)
		}
		proxy.ServeHTTP(w, r)
	})}
	go server.Serve(listener)
	tb.Cleanup(func() { server.Close() })
	s.Endpoint = "http://" + listener.Addr().String()
	return s
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>made up by the test</Message></Error>")
}

// nowhere takes an answer that the client does not get.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header       { return n.header }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

// tearing lets half of the promised body through.
type tearing struct {
	http.ResponseWriter
	left int64
}

func (t *tearing) WriteHeader(status int) {
	length, err := strconv.ParseInt(t.Header().Get("Content-Length"), 10, 64)
	if err != nil {
		length = 1
	}
	t.left = length / 2
	t.ResponseWriter.WriteHeader(status)
}

func (t *tearing) Write(p []byte) (int, error) {
	if t.left -= int64(len(p)); t.left < 0 {
		_, _ = t.ResponseWriter.Write(p[:int64(len(p))+t.left])
		if flusher, ok := t.ResponseWriter.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	return t.ResponseWriter.Write(p)
}

// Gate stands before a server, such as Postgres, and can be shut.
type Gate struct {
	Address string // 127.0.0.1:port
	target  string
	shut    atomic.Bool
	lossy   atomic.Int64 // of a thousand answers, how many are lost with their connection
	mutex   sync.Mutex
	open    map[net.Conn]bool
}

// NewGate makes an open gate before an address, until the test ends.
func NewGate(tb testing.TB, address string) *Gate {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	g := &Gate{Address: listener.Addr().String(), target: address, open: map[net.Conn]bool{}}
	tb.Cleanup(func() {
		listener.Close()
		g.Shut()
	})
	go func() {
		for {
			client, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go g.serve(client)
			}
		}
	}()
	return g
}

// Catalog is the URL of a database as a command line takes it, and the variable with its password.
func Catalog(tb testing.TB, database string) (address, variable string) {
	tb.Helper()
	location, err := url.Parse(database)
	if err != nil {
		tb.Fatal(err)
	}
	if location.User == nil {
		return database, "PGPASSWORD="
	}
	password, _ := location.User.Password()
	location.User = url.User(location.User.Username())
	return location.String(), "PGPASSWORD=" + password
}

// PostgresBehind is the URL of a database as seen through a gate.
func PostgresBehind(tb testing.TB, database string) (behind string, gate *Gate) {
	tb.Helper()
	location, err := url.Parse(database)
	if err != nil {
		tb.Fatal(err)
	}
	gate = NewGate(tb, location.Host)
	location.Host = gate.Address
	return location.String(), gate
}

// Shut ends all connections and takes no new ones, until Open.
func (g *Gate) Shut() {
	g.shut.Store(true)
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for conn := range g.open {
		conn.Close()
	}
}

// Open lets connections through again.
func (g *Gate) Open() { g.shut.Store(false) }

// Lose loses so many answers of a thousand, after what they answer was done, and their connections with them.
func (g *Gate) Lose(answers int) { g.lossy.Store(int64(answers)) }

func (g *Gate) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.target)
	if err != nil {
		return
	}
	defer server.Close()
	g.mutex.Lock()
	if g.shut.Load() {
		g.mutex.Unlock()
		return
	}
	g.open[client], g.open[server] = true, true
	g.mutex.Unlock()
	defer func() {
		g.mutex.Lock()
		defer g.mutex.Unlock()
		delete(g.open, client)
		delete(g.open, server)
	}()
	go func() {
		defer server.Close()
		_, _ = io.Copy(server, client) // the end of either connection ends the other
	}()
	buffer := make([]byte, 1<<16)
	for {
		n, err := server.Read(buffer)
		if err != nil || rand.Int64N(1000) < g.lossy.Load() {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
