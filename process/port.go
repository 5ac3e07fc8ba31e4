package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

var ports struct {
	sync.Mutex
	given map[int]bool
}

// FreePort is a port of the loopback address that is free now, is below the range that systems give to outgoing
// connections, and is given only once by this process.
func FreePort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = map[int]bool{}
	}
	for range 1000 {
		port := 12000 + rand.IntN(20000)
		if ports.given[port] {
			continue
		}
		listener, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			continue
		}
		listener.Close()
		ports.given[port] = true
		return port, nil
	}
	return 0, errors.New("no free port on the loopback address")
}

// Loopback is a port of the loopback address, host:port.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
