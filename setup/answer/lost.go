package answer

import (
	"os"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// recorded adds, as the layer of lowest precedence, what an installation without myconfig.yml records:
// the answers in answers.yml, or else the directory of the content.
func (r *resolver) recorded() {
	lost := installation.LostOf(r.installed)
	if lost == nil {
		return
	}
	var values Values
	if document, err := ParseFile(installation.AnswersFile, lost.Answers); lost.Answers != nil && err == nil {
		values, r.source = document.Values, " with the answers in "+installation.AnswersFile
		delete(values, "dir")
	} else if lost.Store != "" {
		values, r.source = Values{"storage-path": {lost.Store}}, " with the content in "+lost.Store
	}
	r.layers = append(r.layers, layer{FromInstallation, values})
}

// lostStorage refuses an installation without myconfig.yml if neither the answers nor the installation
// say where the content is: with a default, the registry would be empty.
func (r *resolver) lostStorage() {
	in, a := r.installed, &r.answers
	_, _, known := r.given("storage-path")
	if known || a.Storage != config.Filesystem || installation.LostOf(in) == nil {
		return
	}
	a.StoragePath, r.source = "", " when you name the directory of its content"
	command := "packhouse setup --yes --dir " + setup.Shell(in.Dir)
	remedy := "name its directory with " + command + " --storage-path DIR, or its bucket with " + command +
		" --storage s3 --s3-bucket BUCKET"
	answers := in.Path(installation.AnswersFile)
	if info, err := os.Stat(answers); err == nil && info.Mode().IsRegular() {
		remedy = "if the answers in " + answers + " are right, run " + command + " --answers " +
			setup.Shell(answers) + "; otherwise " + remedy
	}
	r.refuse("storage-path", "--storage-path", setup.CodeMissing,
		in.Path(installation.ConfigFile)+" is missing, and the location of the content is not recorded", remedy)
}
