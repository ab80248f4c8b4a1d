package tui

import "packhouse/tui/theme"

// phaseHelp is the help text of ? if no question is open.
func (m *model) phaseHelp() string {
	switch m.phase {
	case reviewing:
		return reviewHelp
	case checking:
		return checksHelp
	case handing:
		return cardHelp
	case serving:
		return servingHelp
	case managing:
		return managerHelp
	case choosing:
		return settingsHelp
	case repairing:
		return repairHelp
	case beginning, asking, applying:
	}
	return generalHelp
}

const (
	generalHelp = `Nothing is written before the review. The review shows every file with what happens to it; then the files are written all together or not at all, ` +
		`what is replaced is kept in a backup, the server is started and the checks prove that it works. ctrl+c leaves at any time.`

	reviewHelp = `Every file, with what happens to it and what that means. tab shows myconfig.yml, with each line that changes.
All of it is written, or nothing; what is replaced is kept in a backup, and Roll back brings it back. Enter writes where there are new files only. ` +
		`Where something is replaced w writes, so that one key too many replaces nothing.`

	checksHelp = `Each line was tried as a client would:
` + theme.Done + ` was seen working
` + theme.Caution + ` works, but needs attention
` + theme.Failed + ` does not work: below it stand the cause and what to do
` + theme.Unknown + ` could not be proven from here: below it stands why
A word in brackets is a code that never changes. packhouse check repeats these checks at any time.`

	cardHelp = `What clients need to use the registry. handoff.md has it for others, with the fields of Palette's forms and without passwords.
Passwords that were generated are stored as hashes only: p shows them, and hides them again. Whoever leaves without having looked finds them in ` +
		`initial-passwords, readable by its owner only.`

	servingHelp = `The server runs in this program, and ends with it; ctrl+c lets requests that run finish. Its log is below the figures: requests, those that were refused, ` +
		`errors, the last push, free space and the days that the certificate has left.
packhouse serve runs it without the wizard. Where there is systemd, packhouse setup --service systemd has it start with the machine.`

	settingsHelp = `Each line is a step of the wizard, with its present answer. Enter opens it, and from there Enter or Esc leads back here. ` +
		`Review and apply shows what changes; nothing is written before that. Esc keeps unsaved changes until you leave the program.`

	managerHelp = `This is how the installation does at this moment: r looks again. Every job below it first shows what it is going to change, and writes only when ` +
		`that was confirmed; a server that runs takes users and certificates up without a restart. Check proves every part as a client would. What a change replaced is kept ` +
		`until the next one, and Roll back brings it back.`
)
