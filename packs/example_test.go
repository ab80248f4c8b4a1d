package packs_test

import (
	"fmt"
	"log"
	"testing/fstest"

	"packhouse/packs"
)

func ExampleOpen() {
	pack, err := packs.Open(fstest.MapFS{
		"pack.json":   {Data: []byte(`{"name":"nginx","displayName":"NGINX","version":"1.27.0","layer":"addon"}`)},
		"values.yaml": {Data: []byte("pack:\n  namespace: nginx\n")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pack.Metadata.Name, pack.Metadata.Version)
	for _, problem := range pack.Lint() {
		fmt.Println(problem.Severity, problem.Code)
	}

	// Output:
	// nginx 1.27.0
	// warning pack-logo-missing
	// warning pack-readme-missing
	// warning pack-images-empty
}

func ExampleParentTags() {
	parents := packs.ParentTags([]string{"1.2.3", "1.2.10", "1.3.0"})
	fmt.Println(parents["1.2.x"])
	fmt.Println(parents["1.x"])

	// Output:
	// 1.2.10
	// 1.3.0
}

func ExampleResolveTag() {
	tag, ok := packs.ResolveTag([]string{"1.2.3", "1.2.10"}, "1.2.x")
	fmt.Println(tag, ok)
	_, ok = packs.ResolveTag([]string{"1.2.3"}, "2.x")
	fmt.Println(ok)

	// Output:
	// 1.2.10 true
	// false
}

func ExampleParseReference() {
	reference, err := packs.ParseReference("nginx:1.2.x")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reference.Name, reference.Tag)

	// Output:
	// nginx 1.2.x
}
