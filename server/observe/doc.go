// Package observe reports what a server does: the log with one line per request, the audit trail, and
// the metrics.
package observe
