package trino

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/versionlake/versionlake/process"
)

const (
	startTimeout = 10 * time.Minute // a quarter of one, on a machine that is not busy
	stopTimeout  = 30 * time.Second
	pollInterval = 100 * time.Millisecond
)

// Options say what a server is to be.
type Options struct {
	// Dir is the folder of the server's configuration, log and state; it is made. One server at a time may use it.
	Dir     string
	Install Install
	// Port is that of the loopback address; any free one when zero.
	Port int
	// Heap is what Java may use, such as 1G or 4G; DefaultHeap when empty.
	Heap string
	// Catalogs by name.
	Catalogs map[string]Catalog
	// Rules say who may use which catalog, as Trino's file-based access control reads them; everybody all when empty.
	Rules string
	// Config is added to config.properties, and wins over ours.
	Config map[string]string
	// Lasting lets the server go on when this process ends; else it is left to the caller to stop it.
	Lasting bool
}

// Server is a Trino server that runs.
type Server struct {
	URL string `json:"url"` // http://127.0.0.1:port
	PID int    `json:"pid"`
	Dir string `json:"-"`
}

// ErrRunning: a server runs on the folder already.
var ErrRunning = errors.New("a Trino runs already")

// Files of Options.Dir.
const (
	configFile  = "config.properties"
	controlFile = "access-control.properties"
	rulesFile   = "rules.json"
	stateFile   = "server.json"
	lockFile    = "server.lock"
	logFile     = "trino.log"
	catalogDir  = "catalog"
)

// Start starts a server and returns once it answers. Errors: ErrRunning.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Heap == "" {
		o.Heap = DefaultHeap()
	}
	if _, err := heapBytes(o.Heap); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "tmp"), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of Trino: %w", err)
	}
	var server *Server
	err := process.Retry(func() (err error) {
		server, err = start(ctx, o)
		return err
	}, func(err error) bool { return o.Port == 0 && errors.Is(err, errPortTaken) })
	return server, err
}

var errPortTaken = errors.New("the port is taken")

func start(ctx context.Context, o Options) (_ *Server, err error) {
	// The server holds the lock, from its start to its end: no file that a crash leaves behind can lie about that.
	lock, err := takeLock(filepath.Join(o.Dir, lockFile))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if o.Port == 0 {
		if o.Port, err = process.FreePort(); err != nil {
			return nil, err
		}
	}
	s := &Server{URL: "http://" + process.Loopback(o.Port), Dir: o.Dir}
	if err := s.configure(o); err != nil {
		return nil, err
	}
	log, err := os.Create(s.LogFile())
	if err != nil {
		return nil, fmt.Errorf("make Trino's log: %w", err)
	}
	defer log.Close()
	cmd := s.command(o)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock}
	running, err := process.Start(cmd)
	if err != nil {
		return nil, fmt.Errorf("start Trino: %w", err)
	}
	s.PID = running.PID()
	// At once: who looks for it finds it while it starts, too.
	if err = s.remember(); err == nil {
		err = running.AwaitUp(ctx, startTimeout, s.Ready)
	}
	if errors.Is(err, process.ErrEnded) {
		err = fmt.Errorf("%w: %w", err, s.reason())
	}
	if err != nil {
		running.Kill()
		return nil, fmt.Errorf("start Trino: %w; its log is %s", err, s.LogFile())
	}
	return s, nil
}

// configure writes what the server reads.
func (s *Server) configure(o Options) error {
	port := strconv.Itoa(o.Port)
	config := map[string]string{
		"coordinator":                        "true",
		"node-scheduler.include-coordinator": "true",
		"node.environment":                   "versionlake",
		"node.id":                            strings.ToLower(rand.Text()),
		"node.bind-ip":                       "127.0.0.1",
		"node.internal-address":              "127.0.0.1",
		"http-server.http.port":              port,
		"discovery.uri":                      s.URL,
		"plugin.dir":                         filepath.Join(o.Install.Trino, "plugin"),
		"catalog.config-dir":                 filepath.Join(o.Dir, catalogDir),
	}
	heap, err := heapBytes(o.Heap)
	if err != nil {
		return err
	}
	if heap >= 2*gigabyte { // what Trino itself keeps back suits many people who ask at once
		config["query.max-memory-per-node"] = strconv.FormatInt(heap/2, 10) + "B"
		config["memory.heap-headroom-per-node"] = strconv.FormatInt(heap/4, 10) + "B"
	}
	files := map[string][]byte{}
	if o.Rules != "" {
		rules, control := filepath.Join(o.Dir, rulesFile), filepath.Join(o.Dir, controlFile)
		files[rules] = []byte(o.Rules)
		files[control] = propertiesFile(map[string]string{"access-control.name": "file", "security.config-file": rules})
		config["access-control.config-files"] = control
	}
	maps.Copy(config, o.Config)
	if config["catalog.store"] == "memory" {
		delete(config, "catalog.config-dir")
	}
	catalogs := filepath.Join(o.Dir, catalogDir)
	if err := errors.Join(os.RemoveAll(catalogs), os.MkdirAll(catalogs, 0o755)); err != nil {
		return fmt.Errorf("configure Trino: %w", err)
	}
	files[filepath.Join(o.Dir, configFile)] = propertiesFile(config)
	for name, catalog := range o.Catalogs {
		files[filepath.Join(catalogs, name+".properties")] = propertiesFile(catalog.Properties)
	}
	for path, text := range files {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return fmt.Errorf("configure Trino: %w", err)
		}
	}
	return nil
}

func (s *Server) command(o Options) *exec.Cmd {
	cmd := exec.Command(o.Install.Java,
		"-Xmx"+o.Heap, "-XX:+ExitOnOutOfMemoryError", "-XX:-OmitStackTraceInFastThrow",
		"-Djdk.attach.allowAttachSelf=true", "--sun-misc-unsafe-memory-access=allow",
		"--enable-native-access=ALL-UNNAMED",
		"-Dfile.encoding=UTF-8", "-Duser.timezone=UTC", "-Djava.io.tmpdir="+filepath.Join(o.Dir, "tmp"),
		"-Dconfig="+filepath.Join(o.Dir, configFile), "-Dnode.environment=versionlake",
		"-cp", filepath.Join(o.Install.Trino, "lib", "*"), "io.trino.server.TrinoServer")
	cmd.Dir = o.Dir
	cmd.Env = os.Environ()
	for _, catalog := range o.Catalogs {
		for name, value := range catalog.Env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	if o.Lasting {
		cmd.SysProcAttr = ownSession()
	}
	return cmd
}

// Ready is nil when the server has started and takes queries.
func (s *Server) Ready(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/info", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			return failed.Err
		}
		return err
	}
	defer response.Body.Close()
	var info struct {
		Starting bool `json:"starting"`
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return fmt.Errorf("ask %s how Trino is: %s, %w", s.URL, response.Status, err)
	}
	if info.Starting {
		return errors.New("it is starting")
	}
	return nil
}

// complaints are lines of the log, the most telling first: a fault of the configuration, a fatal error, Java's own.
var complaints = []*regexp.Regexp{regexp.MustCompile(`(?m)^1\) .*$`), regexp.MustCompile(`(?m)^.*\tERROR\t.*$`),
	regexp.MustCompile(`(?m)^Error.*$`)}

// reason is what the log says first about an error: the lines that follow are the stack. Errors: errPortTaken.
func (s *Server) reason() error {
	text, err := os.ReadFile(s.LogFile())
	if err != nil {
		return err
	}
	if strings.Contains(string(text), "Address already in use") {
		return errPortTaken
	}
	for _, complaint := range complaints {
		if line := complaint.Find(text); line != nil {
			return errors.New(string(line))
		}
	}
	return errors.New("it said nothing about an error")
}

// LogFile is where the server writes what it does.
func (s *Server) LogFile() string { return filepath.Join(s.Dir, logFile) }

func (s *Server) remember() error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Dir, stateFile), append(text, '\n'), 0o644)
}

// Running finds the server that runs on a folder; nil where none does.
func Running(dir string) (*Server, error) {
	free, err := lockIsFree(filepath.Join(dir, lockFile))
	if free || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find out whether Trino runs: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, fmt.Errorf("find the Trino that runs on %s, or is about to: %w", dir, err)
	}
	s := &Server{Dir: dir}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, stateFile), err)
	}
	return s, nil
}

// Stop ends the server and waits until it is gone.
func (s *Server) Stop() error {
	running, err := os.FindProcess(s.PID)
	if err != nil {
		return fmt.Errorf("stop Trino: %w", err)
	}
	if err := terminate(running); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop Trino, process %d: %w", s.PID, err)
	}
	lock, patience := filepath.Join(s.Dir, lockFile), time.Now().Add(stopTimeout)
	for {
		free, err := lockIsFree(lock)
		if err != nil {
			return fmt.Errorf("stop Trino: %w", err)
		}
		if free {
			return os.Remove(filepath.Join(s.Dir, stateFile))
		}
		if time.Now().After(patience) {
			running.Kill()
		}
		time.Sleep(pollInterval)
	}
}
