package tui

import "packhouse/tui/theme"

// Help texts of the screens.
const (
	generalHelp = `Nothing is written before the review. The review shows what happens to every file. Then either all files are written or none, ` +
		`replaced files are kept in a backup, the server starts, and the checks prove that it works. ctrl+c leaves at any time.`

	reviewHelp = `Each file, with what happens to it and the consequences. tab shows myconfig.yml with each line that changes.
Either all files are written or none. Replaced files are kept in a backup, and Roll back restores them. If all files are new, Enter writes them; ` +
		`if a file is replaced, only w does, so that pressing Enter once too often replaces nothing.`

	checksHelp = `Each check does what a client would do:
` + theme.Done + ` works
` + theme.Caution + ` works, but needs attention
` + theme.Failed + ` does not work; the cause and the remedy are below it
` + theme.Unknown + ` cannot be proven from here; the reason is below it
A word in parentheses is a stable code. packhouse check repeats these checks at any time.`

	cardHelp = `What clients need to use the registry. handoff.md has it for others, with the fields of Palette's forms and without passwords.
Generated passwords are stored as hashes only: p shows and hides them. If you leave without viewing them, they are saved in ` +
		`initial-passwords, which only its owner can read.`

	servingHelp = `The server runs in this program and ends with it; ctrl+c waits for running requests. Above its log are figures: requests, refused requests, ` +
		`errors, the last push, free space and the remaining days of the certificate.
packhouse serve runs it without the wizard. With systemd, packhouse setup --service systemd starts it with the machine.`

	settingsHelp = `Each line is a step of the wizard with its current answer. Enter opens it; from there, Enter or Esc leads back here. ` +
		`Review and apply shows what changes; nothing is written before that. Esc keeps unsaved changes until you leave the program.`

	managerHelp = `The current state of the installation; r refreshes it. Each task below it first shows what it will change, and writes only after you ` +
		`confirm. A running server loads changed users and certificates without a restart. Check tests every part as a client would. Replaced files are kept ` +
		`until the next change, and Roll back restores them.`
)
