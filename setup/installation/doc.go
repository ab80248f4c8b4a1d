// Package installation reads what exists in the directory of an installation: its configuration, users,
// certificates, manifest, backups, and the journal of an unfinished change. It changes nothing, and
// opens every file in a way that another user's links cannot redirect.
package installation
