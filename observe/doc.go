// Package observe says what a process of versionlake does, to those who operate it: metrics, traces and logs, by
// OpenTelemetry's conventions, and whether it is well. docs/TELEMETRY.md describes all of it. Of a process that is not
// observed, the Observer is nil, and its methods do nothing.
package observe
