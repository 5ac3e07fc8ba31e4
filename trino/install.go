package trino

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// HomeVariable and JavaVariable name the folders of Trino and of a Java runtime, where they are not found by
// themselves.
const (
	HomeVariable = "VERSIONLAKE_TRINO"
	JavaVariable = "VERSIONLAKE_JAVA"
)

// ErrNotInstalled: Trino, or the Java that it runs on, is not on this machine.
var ErrNotInstalled = errors.New("not installed")

// Install is where the programs are.
type Install struct {
	Trino string // folder with lib and plugin
	Java  string // the program
}

// FindInstall looks where HomeVariable and JavaVariable say, else in .tools here or above, where tools/install.sh puts
// them. Errors: ErrNotInstalled.
func FindInstall() (Install, error) {
	trino := locate(HomeVariable, "trino", "lib")
	if trino == "" {
		return Install{}, fmt.Errorf("a Trino is %w: run `tools/install.sh jdk trino` in a checkout of "+
			"versionlake, and call from within it; or name the folder of a Trino 476 with the Iceberg plugin in %s",
			ErrNotInstalled, HomeVariable)
	}
	java := locate(JavaVariable, "jdk", "bin/java")
	if java == "" {
		return Install{}, fmt.Errorf("a Java is %w: run `tools/install.sh jdk` in a checkout of versionlake, and "+
			"call from within it; or name the folder of a Java 24 or newer in %s", ErrNotInstalled, JavaVariable)
	}
	return Install{Trino: trino, Java: filepath.Join(java, "bin", "java")}, nil
}

// locate is the folder that holds the file, "" where there is none.
func locate(variable, name, file string) string {
	candidates := []string{os.Getenv(variable)}
	if candidates[0] == "" {
		candidates = nil
		if self, err := os.Executable(); err == nil { // bin/versionlake of a checkout
			candidates = append(candidates, filepath.Join(filepath.Dir(self), "..", ".tools", name))
		}
		for _, dir := range above() {
			candidates = append(candidates, filepath.Join(dir, ".tools", name))
		}
	}
	for _, candidate := range candidates {
		if _, err := os.Stat(filepath.Join(candidate, file)); err == nil {
			return candidate
		}
	}
	return ""
}

// above is the working folder and those above it.
func above() []string {
	dir, err := os.Getwd()
	if err != nil {
		return nil
	}
	dirs := []string{dir}
	for dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		dirs = append(dirs, dir)
	}
	return dirs
}

// EnsureInstall finds Trino, and within a checkout of versionlake installs it first where it is missing: half a
// gigabyte, once. What the installation says goes to progress. Errors: ErrNotInstalled.
func EnsureInstall(ctx context.Context, progress io.Writer) (Install, error) {
	install, err := FindInstall()
	if !errors.Is(err, ErrNotInstalled) || os.Getenv(HomeVariable) != "" {
		return install, err
	}
	for _, dir := range above() {
		module, readErr := os.ReadFile(filepath.Join(dir, "go.mod"))
		if readErr != nil || !bytes.HasPrefix(module, []byte("module github.com/versionlake/versionlake\n")) {
			continue
		}
		script := exec.CommandContext(ctx, filepath.Join(dir, "tools", "install.sh"), "jdk", "trino")
		script.Stdout, script.Stderr = progress, progress
		if err := script.Run(); err != nil {
			return Install{}, fmt.Errorf("install Trino by %s: %w", script.Path, err)
		}
		return FindInstall()
	}
	return Install{}, err
}
