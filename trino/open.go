package trino

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/trinodb/trino-go-client/trino"
)

// retryTimeout is how long a request is tried again: a server that is gone for longer has forgotten the query.
const retryTimeout = 10 * time.Second

// Open connects to a server, with catalog and schema as what names without them mean. Times are UTC. address is
// http://host:port, or https://user:password@host:port; a path, as in https://host:port/other, names another catalog.
func Open(address, catalog, schema string) (*sql.DB, error) {
	server, err := url.Parse(address)
	if err != nil || server.Host == "" || server.Scheme != "http" && server.Scheme != "https" {
		// it may hold a password
		return nil, fmt.Errorf("%w: Trino's address is not a URL such as http://127.0.0.1:8080", ErrConfig)
	}
	if server.User == nil {
		server.User = url.User("versionlake")
	}
	if path := strings.Trim(server.Path, "/"); path != "" {
		catalog, server.Path = path, ""
	}
	patience := retryTimeout
	connector, err := trino.NewConnector(&trino.Config{
		ServerURI: server.String(), Source: "versionlake", Catalog: catalog, Schema: schema, TimeZone: "UTC",
		RequestRetryTimeout: &patience,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: Trino's address: %w", ErrConfig, err)
	}
	return sql.OpenDB(connector), nil
}

// At is a server's address with a catalog in it, in the place of one that it names already.
func At(address, catalog string) string {
	server, err := url.Parse(address)
	if err != nil { // Open says so
		return address
	}
	server.Path = "/" + catalog
	return server.String()
}

// AsAdmin is the address of a local server for the user who may write the lake's views.
func AsAdmin(address string) string {
	server, err := url.Parse(address)
	if err != nil { // Open says so
		return address
	}
	server.User = url.User(AdminName)
	return server.String()
}

// LakeAt is the catalog in which a server's address has the lake to read: the one that it names, else CatalogName.
func LakeAt(address string) string {
	if server, err := url.Parse(address); err == nil {
		if name := strings.Trim(server.Path, "/"); name != "" && name != AdminName {
			return name
		}
	}
	return CatalogName
}

// memoryErrors are Trino's names of what more memory helps against.
var memoryErrors = []string{"EXCEEDED_LOCAL_MEMORY_LIMIT", "EXCEEDED_GLOBAL_MEMORY_LIMIT", "CLUSTER_OUT_OF_MEMORY"}

const moreMemory = ". A Trino of `versionlake trino up` takes more with --memory, such as `versionlake trino down` " +
	"and `versionlake trino up --memory 8G`; another one by -Xmx and query.max-memory-per-node"

// Plain leaves of an error of a query what people need: what Trino says, or why it says nothing.
func Plain(err error) error {
	var said *trino.ErrTrino
	if errors.As(err, &said) {
		text := "Trino says: " + said.Message
		if slices.Contains(memoryErrors, said.ErrorName) {
			text += moreMemory
		}
		return &refusal{text, err}
	}
	var failed *trino.ErrQueryFailed
	var unreached *net.OpError
	switch {
	case !errors.As(err, &failed):
		return err
	case failed.StatusCode == http.StatusUnauthorized:
		return &refusal{fmt.Sprintf("Trino refuses the login: %s. Its address is https://user:password@host:port",
			failed.Reason), err}
	case failed.StatusCode != 0:
		return &refusal{fmt.Sprintf("Trino answers %d %s: %s", failed.StatusCode, http.StatusText(failed.StatusCode),
			failed.Reason), err}
	case errors.As(err, &unreached):
		return &refusal{fmt.Sprintf("Trino does not answer: %s", unreached), err}
	}
	return &refusal{fmt.Sprintf("Trino does not answer: %s", failed.Reason), err}
}

// IsRefusal tells whether Trino says, or its door, that what was asked is wrong or not allowed: asking again does not
// help.
func IsRefusal(err error) bool {
	var said *trino.ErrTrino
	if errors.As(err, &said) {
		return said.ErrorType == "USER_ERROR"
	}
	var failed *trino.ErrQueryFailed
	return errors.As(err, &failed) &&
		(failed.StatusCode == http.StatusUnauthorized || failed.StatusCode == http.StatusForbidden)
}

// IsCrowded tells whether Trino had no room, or no time, for a query.
func IsCrowded(err error) bool {
	var said *trino.ErrTrino
	return errors.As(err, &said) && said.ErrorType == "INSUFFICIENT_RESOURCES"
}

type refusal struct {
	text string
	err  error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.err }
