package packs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"packhouse/finding"
)

// Findings are findings about a pack or an archive. Their file is relative to the pack's folder, with
// slashes. Refused prevents a push; a warning is likely a mistake; a note may be intended.
type Findings []finding.Finding

// MarshalJSON encodes the findings as pack commands print them, and answers and records of packs
// contain them.
func (fs Findings) MarshalJSON() ([]byte, error) { return finding.MarshalList(fs, JSON) }

// UnmarshalJSON decodes what MarshalJSON encodes.
func (fs *Findings) UnmarshalJSON(data []byte) error {
	var list []finding.JSON
	if err := json.Unmarshal(data, &list); err != nil || list == nil {
		return err
	}
	*fs = make(Findings, len(list))
	for i, j := range list {
		(*fs)[i] = j.Finding()
	}
	return nil
}

// About returns a finding about a file of a pack; an empty name: about the pack or archive.
func About(severity finding.Severity, code, name, what, remedy string) finding.Finding {
	return finding.Finding{
		Code: code, Severity: severity, What: what, Remedy: remedy, Subject: finding.Subject{File: name},
	}
}

// JSON returns one of [Findings] in their format.
func JSON(f finding.Finding) finding.JSON {
	j := f.JSON()
	j.File, j.Path = "", f.File
	return j
}

// Line returns a finding in one line: where, what, and how to fix it.
func Line(f finding.Finding) string {
	line := f.What
	if where := f.Where(); where != "" {
		line = where + ": " + line
	}
	if f.Remedy != "" {
		line += " (" + f.Remedy + ")"
	}
	return line
}

// Invalid is the error for an archive, or an artifact, that is not a valid pack.
type Invalid struct { //nolint:errname // it names what the archive is
	finding.Finding
}

// Error returns the finding in one line.
func (e *Invalid) Error() string { return Line(e.Finding) }

// Codes of findings about a pack.
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

// Count returns how many findings have a severity.
func Count(problems []finding.Finding, severity finding.Severity) int {
	n := 0
	for _, p := range problems {
		if p.Severity == severity {
			n++
		}
	}
	return n
}

// Refused is the error for a pack that must not be pushed, with all its findings.
type Refused struct { //nolint:errname // it names what became of the pack
	Problems []finding.Finding
}

func (r *Refused) Error() string {
	var errors []string
	for _, p := range r.Problems {
		if p.Severity == finding.Refused {
			errors = append(errors, Line(p))
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

// byPlace compares findings about one file by position.
func byPlace(a, b finding.Finding) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
