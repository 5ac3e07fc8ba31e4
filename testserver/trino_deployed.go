package testserver

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/versionlake/versionlake/process"
)

// DeployedTrino starts a Trino that runs until the test ends, as in production: by its own launcher, with a
// configuration of your own. configure writes that into the folder etc, for a port, and says what the server's
// environment is, as NAME=value, and how one sees that the server is up.
func DeployedTrino(tb testing.TB,
	configure func(etc string, port int) (env []string, healthy func(context.Context) error)) {
	tb.Helper()
	install := TrinoInstall(tb)
	dir := tb.TempDir()
	etc := filepath.Join(dir, "etc")
	port, err := process.FreePort()
	if err != nil {
		tb.Fatal(err)
	}
	env, healthy := configure(etc, port)
	cmd := exec.Command(filepath.Join(install.Trino, "bin", "launcher"), "run", "--etc-dir", etc, "--data-dir",
		filepath.Join(dir, "data"),
		"--jvm-dir", filepath.Dir(filepath.Dir(install.Java)))
	cmd.Env = append(os.Environ(), env...)
	server, err := start(cmd, "", healthy)
	if err != nil {
		tb.Fatalf("start Trino: %v", err)
	}
	tb.Cleanup(server.kill)
}

// JDBC is the folder of trino-jdbc.jar, Trino's driver for Java, and of ecj.jar, a Java compiler.
func JDBC(tb testing.TB) string {
	tb.Helper()
	const variable = "VERSIONLAKE_TEST_JDBC"
	dir := os.Getenv(variable)
	if dir == "" {
		dir = filepath.Join(toolsDir(tb), "jdbc")
	}
	if _, err := os.Stat(filepath.Join(dir, "trino-jdbc.jar")); err != nil {
		missing(tb, "jdbc", variable)
	}
	return dir
}

// Python is a Python with the packages of tools/requirements.txt.
func Python(tb testing.TB) string { return tool(tb, "python", "VERSIONLAKE_TEST_PYTHON") }
