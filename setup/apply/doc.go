// Package apply carries out plans completely or not at all.
//
// [Apply] stages every file beside its target, writes a journal, and then renames the files. If it is
// killed before it writes the journal, nothing has changed; if it is killed later, the next [Open]
// finishes the work and reports that. The replaced files are kept in backup/ until the next change.
// A command that changes an installation holds its [Lock].
package apply
