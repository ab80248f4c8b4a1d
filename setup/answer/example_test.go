package answer_test

import (
	"fmt"
	"log"

	"packhouse/setup/answer"
)

func ExampleParseFile() {
	document, err := answer.ParseFile(
		"answers.yml", []byte("hostname: registry.example.com\nuser: [ci:writer, dev]\n"),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(document.Values["hostname"], document.Values["user"])

	_, err = answer.ParseFile("answers.yml", []byte("hostnam: registry.example.com\n"))
	fmt.Println(err)

	// Output:
	// [registry.example.com] [ci:writer dev]
	// answers.yml:1: unknown key, did you mean hostname?; the keys are the flags of setup, without dashes
}

func ExamplePasswordVariable() {
	fmt.Println(answer.PasswordVariable("ci-bot"))

	// Output:
	// PACKHOUSE_PASSWORD_CI_BOT
}
