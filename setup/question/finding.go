package question

import (
	"packhouse/finding"
	"packhouse/setup"
)

// refused returns one finding that setup refuses to continue with.
func refused(code, what, remedy string) []finding.Finding {
	return []finding.Finding{setup.Refuse(code, what, remedy)}
}

// refusedf is refused with a remedy that refers to questions.
func refusedf(code, what, remedy string, refs ...any) []finding.Finding {
	return []finding.Finding{setup.Refuse(code, what, "").WithRemedy(finding.Textf(remedy, refs...))}
}

// warned returns one warning.
func warned(code, what, remedy string) []finding.Finding {
	return []finding.Finding{setup.Warn(code, what, remedy)}
}

// noted returns one note.
func noted(code, what, remedy string) []finding.Finding {
	return []finding.Finding{setup.Remark(code, what, remedy)}
}
