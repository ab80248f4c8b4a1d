package config

import (
	"reflect"
	"testing"
)

func TestSalvage(t *testing.T) {
	broken := "version: 0.1\nlog:\nlevel: debug # why\nstorage:\nfilesystem:\nrootdirectory: /srv\ndelete:\nenabled: true\nhttp:\n  addr: \":5443\"\n\tdraintimeout: 45s\nnonsense: [\n  host: \"https://x\"\n"
	want := []Edit{
		{Key: "log.level", Value: "debug"},
		{Key: "storage.filesystem.rootdirectory", Value: "/srv"},
		{Key: "storage.delete.enabled", Value: true},
		{Key: "http.addr", Value: ":5443"},
		{Key: "http.draintimeout", Value: "45s"},
		{Key: "http.host", Value: "https://x"},
	}
	if got := Salvage([]byte(broken)); !reflect.DeepEqual(got, want) {
		t.Errorf("Salvage = %v, want %v", got, want)
	}
}
