package installation

import "slices"

// Lost is what setup recorded about an installation whose myconfig.yml is missing.
type Lost struct {
	Answers []byte // content of answers.yml; nil: missing, or changed since setup wrote it
	Store   string // root of the store on disk; empty: not recorded
}

// LostOf returns what in records if its myconfig.yml is missing, or nil.
func LostOf(in *Installed) *Lost {
	if in == nil || in.Manifest == nil || in.ConfigData != nil {
		return nil
	}
	lost := &Lost{}
	for _, row := range in.Manifest.Files {
		if root, ok := isOwnerRecord(row.At(in.Dir)); ok {
			lost.Store = root
		}
	}
	data, err := in.Readings.ReadOwn(in.Path(AnswersFile))
	if err == nil && slices.ContainsFunc(in.Manifest.Files, func(r ManifestFileRow) bool {
		return r.Path == AnswersFile && r.SHA256 == Sum(data)
	}) {
		lost.Answers = data
	}
	return lost
}
