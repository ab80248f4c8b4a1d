package setup_test

import (
	"fmt"

	"packhouse/setup"
)

func ExampleShell() {
	fmt.Println("packhouse check --dir", setup.Shell("/srv/my registry"))

	// Output:
	// packhouse check --dir '/srv/my registry'
}
