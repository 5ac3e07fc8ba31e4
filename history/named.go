package history

import "strings"

// NamedAs is what telemetry calls the user of an id that UserID made; "" for a session that nobody is known to own.
func NamedAs(id string) string {
	rest, prefixed := strings.CutPrefix(id, userPrefix)
	switch {
	case strings.HasPrefix(id, sessionPrefix):
		return ""
	case prefixed && (strings.HasPrefix(rest, sessionPrefix) || strings.HasPrefix(rest, userPrefix)):
		return rest
	}
	return id
}
