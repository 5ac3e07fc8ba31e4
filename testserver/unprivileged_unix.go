//go:build unix

package testserver

import (
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// unprivileged is the user "nobody", or the number that most systems give it.
func unprivileged() (uid, gid int) {
	if nobody, err := user.Lookup("nobody"); err == nil {
		uid, uerr := strconv.Atoi(nobody.Uid)
		gid, gerr := strconv.Atoi(nobody.Gid)
		if uerr == nil && gerr == nil {
			return uid, gid
		}
	}
	return 65534, 65534
}

// asUnprivileged makes a command run as another user if we are root.
func asUnprivileged(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		uid, gid := unprivileged()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
}

// giveAway makes a folder and all in it that user's, if we are root.
func giveAway(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	uid, gid := unprivileged()
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}
