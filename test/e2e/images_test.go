package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestImagesOfPacks compares the images that packhouse lists with those that helm deploys, for every
// pack in the folder that $PACKHOUSE_PACKS names, such as the packs of spectrocloud/pack-central.
// Packs that helm does not render with their own values are left out.
func TestImagesOfPacks(t *testing.T) {
	dirs := community(t)
	helm, packhouse := newTool(t, "helm"), newTool(t, binary(t))
	var compared, deployed, missed int
	for _, dir := range dirs {
		want, ok := deployedByHelm(t, helm, dir)
		if !ok {
			continue
		}
		compared++
		listed := strings.Fields(packhouse.run("pack", "images", dir))
		for _, image := range want {
			deployed++
			if !slices.Contains(listed, image) {
				missed++
				t.Logf("%s: %s is not listed", filepath.Base(dir), image)
			}
		}
	}
	t.Logf("%d packs, %d deployed images, %d missed", compared, deployed, missed)
	if compared == 0 || missed*100 > deployed {
		t.Errorf("%d of %d images of %d packs are missed, at most 1 %% may be", missed, deployed, compared)
	}
}

// deployedByHelm returns the images of containers that helm renders from the charts of a pack. It
// returns false if there is no chart, or one that helm refuses.
func deployedByHelm(t *testing.T, helm *tool, dir string) (images []string, ok bool) {
	t.Helper()
	var pack struct {
		Charts []string `json:"charts"`
	}
	var values struct {
		Charts map[string]any `yaml:"charts"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "pack.json"))
	if err != nil || json.Unmarshal(text, &pack) != nil || len(pack.Charts) == 0 {
		return nil, false
	}
	text, err = os.ReadFile(filepath.Join(dir, "values.yaml"))
	if err != nil || yaml.Unmarshal(text, &values) != nil {
		return nil, false
	}
	for _, name := range pack.Charts {
		path := filepath.Join(dir, name)
		var chart struct {
			Name string `yaml:"name"`
		}
		shown, _, err := helm.call("", "show", "chart", path)
		if err != nil || yaml.Unmarshal([]byte(shown), &chart) != nil {
			return nil, false
		}
		own, err := yaml.Marshal(values.Charts[chart.Name])
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(helm.dir, "values.yaml")
		if err := os.WriteFile(file, own, 0o600); err != nil {
			t.Fatal(err)
		}
		rendered, _, err := helm.call("", "template", chart.Name, path, "--values", file)
		if err != nil {
			return nil, false
		}
		images = append(images, containerImages(t, rendered)...)
	}
	slices.Sort(images)
	return slices.Compact(images), true
}

// containerImages returns the images of all containers in rendered manifests.
func containerImages(t *testing.T, rendered string) (images []string) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(rendered))
	for {
		var document any
		if err := decoder.Decode(&document); err != nil {
			return images // the end, or what Kubernetes would refuse
		}
		collectImages(document, &images)
	}
}

func collectImages(value any, images *[]string) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			collectImages(item, images)
		}
	case map[string]any:
		if value["kind"] == "CustomResourceDefinition" {
			return
		}
		for _, key := range []string{"containers", "initContainers", "ephemeralContainers"} {
			list, _ := value[key].([]any)
			for _, item := range list {
				container, _ := item.(map[string]any)
				if image, ok := container["image"].(string); ok {
					*images = append(*images, strings.TrimSpace(image))
				}
			}
		}
		for _, inner := range value {
			collectImages(inner, images)
		}
	}
}
