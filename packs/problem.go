package packs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity is the effect of a problem.
type Severity string

// Severities. An error prevents a push; a warning is likely a mistake; a note may be intended.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Problem is a problem of a pack or an archive. It implements error: ReadArchive returns one for an
// archive that it refuses.
type Problem struct { //nolint:errname // first of all a finding
	Code     string   `json:"code"` // stable: docs/palette.md lists them all
	Severity Severity `json:"severity"`
	Path     string   `json:"path,omitempty"` // the file, relative to the pack's folder, with slashes
	Line     int      `json:"line,omitempty"` // 1-based; 0: no line
	Column   int      `json:"column,omitempty"`
	What     string   `json:"what"`
	Remedy   string   `json:"remedy,omitempty"`
}

// Codes of problems with a pack.
const (
	CodeJSONMissing     = "pack-json-missing"
	CodeJSONSyntax      = "pack-json-syntax"
	CodeJSONComma       = "pack-json-comma"
	CodeJSONDuplicate   = "pack-json-duplicate"
	CodeJSONType        = "pack-json-type"
	CodeJSONRequired    = "pack-json-required"
	CodeJSONValue       = "pack-json-value"
	CodeJSONSize        = "pack-json-size"
	CodeName            = "pack-name"
	CodeVersion         = "pack-version"
	CodeVersionV        = "pack-version-v"
	CodeLayer           = "pack-layer"
	CodeCloudType       = "pack-cloud-type"
	CodeGroup           = "pack-group"
	CodeEOL             = "pack-eol"
	CodeConstraint      = "pack-constraint"
	CodeValuesMissing   = "pack-values-missing"
	CodeNamespace       = "pack-namespace"
	CodeLogoMissing     = "pack-logo-missing"
	CodeLogoType        = "pack-logo-type"
	CodeReadmeMissing   = "pack-readme-missing"
	CodeFileMissing     = "pack-file-missing"
	CodeFileOutside     = "pack-file-outside"
	CodeImagesEmpty     = "pack-images-empty"
	CodeFolder          = "pack-folder"
	CodeSecret          = "pack-secret" //nolint:gosec // the name of a finding
	CodeYAML            = "pack-yaml"
	CodeAddonType       = "pack-addon-type"
	CodeCloudTypes      = "pack-cloud-types"
	CodeEOLPassed       = "pack-eol-passed"
	CodeSystemState     = "pack-system-state"
	CodeValues          = "pack-values"
	CodeValuesDuplicate = "pack-values-duplicate"
	CodeValuesChart     = "pack-values-chart"
	CodeValuesManifest  = "pack-values-manifest"
	CodeValuesUnset     = "pack-values-unset"
	CodeValuesUnknown   = "pack-values-unknown"
	CodeValuesType      = "pack-values-type"
	CodeChart           = "pack-chart"
	CodeChartName       = "pack-chart-name"
	CodeChartRender     = "pack-chart-render"
	CodeManifest        = "pack-manifest"
	CodeFileTwice       = "pack-file-twice"
	CodeFileUnlisted    = "pack-file-unlisted"
	CodeImageList       = "pack-image-list"
	CodeImageReference  = "pack-image-reference"
	CodeImageLatest     = "pack-image-latest"
	CodeImageUndeclared = "pack-image-undeclared"
	CodeImageUnused     = "pack-image-unused"
	CodeSchema          = "pack-schema"
	CodeSchemaParameter = "pack-schema-parameter"
	CodePreset          = "pack-preset"
	CodeIgnore          = "pack-ignore"
	CodeLink            = "pack-link"
	CodeSpecial         = "pack-special-file"
	CodeLeftover        = "pack-leftover"
	CodeTooLarge        = "pack-too-large"
	CodeTooManyFiles    = "pack-too-many-files"
	CodeFileSize        = "pack-file-size"
	CodeForeignLink     = "pack-foreign-link"
	CodeFileName        = "pack-file-name"
	CodeMoreFindings    = "pack-more-findings"
	CodeArchiveFormat   = "archive-format"
	CodeArchiveSlip     = "archive-slip"
	CodeArchiveLink     = "archive-link"
	CodeArchiveSpecial  = "archive-special-file"
	CodeArchiveTwice    = "archive-duplicate"
	CodeArchiveTrail    = "archive-trailing-data"
	CodeArchiveBomb     = "archive-bomb"
	CodeArchiveOutside  = "archive-outside"
	CodeArtifact        = "artifact-not-a-pack"
)

// Error returns the problem in one line: where, what, and how to fix it.
func (p Problem) Error() string {
	if p.Remedy == "" {
		return p.located()
	}
	return p.located() + " (" + p.Remedy + ")"
}

// located returns the problem without its remedy.
func (p Problem) located() string {
	if where := p.Where(); where != "" {
		return where + ": " + p.What
	}
	return p.What
}

// Where returns the location: "pack.json:3:14", "charts/x.tgz", or "".
func (p Problem) Where() string {
	switch {
	case p.Path == "" || p.Line == 0:
		return p.Path
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.Path, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.Path, p.Line, p.Column)
}

// HasErrors reports whether a problem prevents a push.
func HasErrors(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}

// Count returns how many problems have a severity.
func Count(problems []Problem, severity Severity) int {
	n := 0
	for _, p := range problems {
		if p.Severity == severity {
			n++
		}
	}
	return n
}

// Refused is the error for a pack that must not be pushed, with all its problems.
type Refused struct { //nolint:errname // it names what became of the pack
	Problems []Problem
}

func (r *Refused) Error() string {
	var errors []string
	for _, p := range r.Problems {
		if p.Severity == Error {
			errors = append(errors, p.Error())
		}
	}
	return strings.Join(errors, "; ")
}

// quote quotes text from a pack so that it fits on one line of a terminal.
func quote(text string) string {
	const most = 80
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}

// byPlace compares problems of one file by position.
func byPlace(a, b Problem) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
