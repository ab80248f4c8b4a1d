package config_test

import (
	"fmt"
	"log"
	"time"

	"packhouse/server/config"
)

func ExampleLoad() {
	loaded, err := config.Load(config.Source{
		Path: "myconfig.yml",
		Data: []byte("version: 0.1\nstorage: inmemory\nhttp:\n  addr: 127.0.0.1:5000\n"),
		Env:  []string{"REGISTRY_LOG_LEVEL=debug"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(loaded.Config.HTTP.Addr, "from", loaded.Origins["http.addr"])
	fmt.Println(loaded.Config.Log.Level, "from", loaded.Origins["log.level"])

	// Output:
	// 127.0.0.1:5000 from myconfig.yml:4
	// debug from REGISTRY_LOG_LEVEL
}

func ExampleLoad_unknownKey() {
	_, err := config.Load(config.Source{
		Path: "myconfig.yml",
		Data: []byte("version: 0.1\nstorage: inmemory\nhttp:\n  adr: 127.0.0.1:5000\n"),
	})
	fmt.Println(err)

	// Output:
	// myconfig.yml:4:3: unknown key http.adr; did you mean http.addr?
}

// Apply changes one value and keeps comments and order.
func ExampleApply() {
	file := []byte("version: 0.1\n\nhttp:\n  addr: :5000 # all interfaces\n")
	changed, err := config.Apply(file, []config.Edit{
		{Key: "http.addr", Value: "127.0.0.1:5000"},
		{Key: "http.draintimeout", Value: 30 * time.Second},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(changed))

	// Output:
	// version: 0.1
	//
	// http:
	//   addr: 127.0.0.1:5000 # all interfaces
	//   draintimeout: 30s
}

func ExampleVariableName() {
	fmt.Println(config.VariableName("http.tls.certificate"))

	// Output:
	// REGISTRY_HTTP_TLS_CERTIFICATE
}

func ExampleSecret() {
	password := config.Secret("hunter2")
	fmt.Printf("%v %q\n", password, password)
	fmt.Println(password.Reveal())

	// Output:
	// REDACTED "REDACTED"
	// hunter2
}
