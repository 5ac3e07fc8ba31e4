// Package run has the commands that run servers and workers.
package run

import (
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
)

// Commands are those of this package.
func Commands(s *settings.Settings) []*cobra.Command {
	return usage.InGroup(usage.Run, newDev(s), newWorker(s), newTrino(s))
}

func isFree(port int) bool {
	connection, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err == nil {
		connection.Close()
	}
	return err != nil
}
