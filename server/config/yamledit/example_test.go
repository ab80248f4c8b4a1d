package yamledit_test

import (
	"fmt"

	"packhouse/server/config/yamledit"
)

func ExampleApply() {
	file := "# the port of the proxy\nhttp:\n  addr: :5000 # all interfaces\n"
	edited, err := yamledit.Apply([]byte(file), []yamledit.Edit{
		{Key: "http.addr", Value: "127.0.0.1:5000"},
		{Key: "log.level", Value: "debug"},
	}, yamledit.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(edited))
	// Output:
	// # the port of the proxy
	// http:
	//   addr: 127.0.0.1:5000 # all interfaces
	// log:
	//   level: debug
}
