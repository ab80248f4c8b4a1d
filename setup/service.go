package setup

// Values of [question.Answers.Service].
const (
	NoService = "none"    // started manually
	Systemd   = "systemd" // started by systemd, as its own user
)

// Unit is the name of the systemd unit, and UnitFile its path.
const (
	Unit     = "packhouse.service"
	UnitFile = "/etc/systemd/system/" + Unit
)
