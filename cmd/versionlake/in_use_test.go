//go:build unix

package main

import (
	"cmp"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/laketest"
)

// inUse is an installation that history --all says is open, and was sighted late enough.
type inUse struct{ user, kind, service, device, version string }

// objects are what a command line says in JSON.
func objects[T any](t *testing.T, dir, command string) (all []T) {
	t.Helper()
	code, said, stderr := execute(t, append(strings.Fields(command), "--output", "json", "--dir", dir)...)
	require.Zero(t, code, stderr)
	for decoder := json.NewDecoder(strings.NewReader(said)); decoder.More(); {
		var each T
		require.NoError(t, decoder.Decode(&each))
		all = append(all, each)
	}
	return all
}

// TestInUse: users, versions and devices say what follows from history --all, counted in the plainest way.
//
//nolint:funlen // one lake, counted by all three
func TestInUse(t *testing.T) {
	dir := filepath.Join(laketest.UnpackLake(t, "94ca12a"), "lake")
	type told struct {
		UserID   string `json:"user_id"`
		UserKind string `json:"user_kind"`
		Service  string
		Device   *string
		Version  string
		History  []struct {
			Service, Version string
			Device, ValidTo  *string
			LastSeenAt       time.Time `json:"last_seen_at"`
		}
		Users, Installations int
		Sessions             int `json:"anonymous_sessions"`
	}
	orDash := func(device *string) string {
		if device == nil {
			return "-"
		}
		return *device
	}
	var open []inUse
	for _, user := range objects[told](t, dir, "history --all") {
		ends := map[[2]string]int{} // the last interval of an installation is the one that it runs
		for i, each := range user.History {
			ends[[2]string{each.Service, orDash(each.Device)}] = i
		}
		for _, i := range ends {
			each := user.History[i]
			open = append(open, inUse{user.UserID, user.UserKind, each.Service, orDash(each.Device), each.Version})
		}
	}
	byUser := func(a, b inUse) int {
		return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.service, b.service), cmp.Compare(a.device, b.device))
	}
	slices.SortFunc(open, byUser)
	require.Greater(t, len(open), 5)

	var listed []inUse
	for _, each := range objects[told](t, dir, "users --limit 0") {
		listed = append(listed, inUse{each.UserID, each.UserKind, each.Service, orDash(each.Device), each.Version})
	}
	slices.SortFunc(listed, byUser)
	require.Equal(t, open, listed)

	counts := func(of []inUse, key func(inUse) string) map[string][3]int {
		users, sums := map[[2]string]bool{}, map[string][3]int{}
		for _, each := range of {
			k := key(each)
			n, first := sums[k], !users[[2]string{k, each.user}]
			users[[2]string{k, each.user}] = true
			if each.kind == "user" {
				n[1]++
			}
			switch {
			case first && each.kind == "user":
				n[0]++
			case first:
				n[2]++
			}
			sums[k] = n
		}
		return sums
	}
	for command, key := range map[string]func(inUse) string{
		"versions": func(i inUse) string { return i.service + " " + i.version },
		"devices":  func(i inUse) string { return i.service + " " + i.device },
	} {
		said := map[string][3]int{}
		for _, each := range objects[told](t, dir, command) {
			k := each.Service + " " + each.Version
			if command == "devices" {
				k = each.Service + " " + orDash(each.Device)
			}
			said[k] = [3]int{each.Users, each.Installations, each.Sessions}
		}
		require.Equal(t, counts(open, key), said, command)
	}
	one := open[0]
	for _, each := range objects[told](t, dir, "users --limit 0 --service "+one.service+" --below "+one.version) {
		require.NotEqual(t, one.version, each.Version)
		require.Equal(t, one.service, each.Service)
	}
	require.Len(t, objects[told](t, dir, "users --limit 2"), 2)
	require.Empty(t, objects[told](t, dir, "versions --seen-since now"))
}
