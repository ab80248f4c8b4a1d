// Package plan turns answers and an installation into changes.
//
// [Make] writes nothing. It returns a list of changes, each with its path, mode, owner, content before
// and after, and a description; review, dry run, JSON and package apply all use it. An existing
// myconfig.yml is edited in place, and unchanged lines stay identical byte for byte; existing users keep
// their passwords. [Rollback], [Uninstall] and [ForRepair] return plans too.
package plan
