package certgen_test

import (
	"crypto/x509"
	"fmt"
	"log"
	"time"

	"packhouse/certgen"
)

func ExampleNewLeaf() {
	ca, err := certgen.NewCA(certgen.CAOptions{})
	if err != nil {
		log.Fatal(err)
	}
	names, err := certgen.ParseNames([]string{"Registry.example.com", "192.0.2.7"})
	if err != nil {
		log.Fatal(err)
	}
	pair, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: names, Days: 90})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(certgen.NamesOf(pair.Leaf()).Strings())
	fmt.Println(pair.Leaf().VerifyHostname("registry.example.com"))

	// Output:
	// [registry.example.com 192.0.2.7]
	// <nil>
}

func ExampleNewCA_permitted() {
	permit, err := certgen.ParsePermitted([]string{"example.com", "10.0.0.0/8"})
	if err != nil {
		log.Fatal(err)
	}
	ca, err := certgen.NewCA(certgen.CAOptions{Permit: permit})
	if err != nil {
		log.Fatal(err)
	}
	names, err := certgen.ParseNames([]string{"registry.example.org"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = certgen.NewLeaf(ca, certgen.LeafOptions{Names: names})
	fmt.Println(err != nil, permit.Lacking(names).Strings())

	// Output:
	// true [registry.example.org]
}

func ExampleVerify() {
	ca, err := certgen.NewCA(certgen.CAOptions{})
	if err != nil {
		log.Fatal(err)
	}
	served, err := certgen.ParseNames([]string{"registry.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	pair, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: served})
	if err != nil {
		log.Fatal(err)
	}
	wanted, err := certgen.ParseNames([]string{"registry.example.com", "192.0.2.7"})
	if err != nil {
		log.Fatal(err)
	}
	roots := []*x509.Certificate{ca.Leaf()}
	for _, problem := range certgen.Verify(pair.Chain, nil, roots, wanted, time.Now()) {
		fmt.Println(problem.Code)
	}

	// Output:
	// cert-name-not-covered
}
