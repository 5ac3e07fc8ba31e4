package session

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
)

// fileRights are those of files in Dir that other processes of its owner read.
const fileRights = 0o600

// devState tells other commands on the same --dir where the local Temporal server is.
type devState struct {
	Address string `json:"address"`
	UI      string `json:"ui"`
	PID     int    `json:"pid"`
	Source  string `json:"source"`
	Since   string `json:"since,omitempty"` // RFC 3339, UTC
	Name    string `json:"name,omitempty"`  // of the lake, in Temporal
}

func devFile(s *settings.Settings) string { return filepath.Join(s.Dir, "dev.json") }

func writeDevState(s *settings.Settings, state devState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := os.WriteFile(devFile(s), append(text, '\n'), fileRights); err != nil {
		return fmt.Errorf("tell other commands where the local server is: %w", err)
	}
	return nil
}

// readDevState is false when nothing runs on --dir, as far as the file tells.
func readDevState(s *settings.Settings) (state devState, ok bool, err error) {
	text, err := os.ReadFile(devFile(s))
	if errors.Is(err, fs.ErrNotExist) {
		return state, false, nil
	}
	if err != nil {
		return state, false, fmt.Errorf("find out whether versionlake dev runs: %w", err)
	}
	// A file that is being written, or that a crash left behind half, is as good as none.
	return state, json.Unmarshal(text, &state) == nil, nil
}

// errBusy: another process has --dir.
var errBusy = errors.New("another versionlake is just starting, or ending")

// Lock takes --dir for this process: its Temporal state can't be shared. Where another process has it, the error says
// which.
func Lock(s *settings.Settings) (unlock func() error, err error) {
	unlock, err = lock(s)
	if !errors.Is(err, errBusy) {
		return unlock, err
	}
	state, ok, err := readDevState(s)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%w in %s", errBusy, s.Dir)
	}
	return nil, fmt.Errorf(
		"versionlake runs in %s already: process %d, Temporal at %s, UI %s, since %s; stop it, or take "+
			"another --dir", s.Dir, state.PID, state.Address, state.UI, cmp.Or(state.Since, "an unknown time"))
}

// lock takes --dir. Errors: errBusy.
func lock(s *settings.Settings) (unlock func() error, err error) {
	if err := s.MakeDir(); err != nil {
		return nil, err
	}
	path := filepath.Join(s.Dir, "dev.lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileRights)
	if err != nil {
		return nil, fmt.Errorf("lock --dir: %w", err)
	}
	locked, err := tryLock(file)
	switch {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	case !locked:
		return nil, errors.Join(errBusy, file.Close())
	}
	return file.Close, nil
}
