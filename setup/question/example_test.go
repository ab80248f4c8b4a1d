package question_test

import (
	"fmt"
	"log"

	"packhouse/setup"
	"packhouse/setup/question"
)

func ExampleParseAnswers() {
	document, err := question.ParseAnswers(
		"answers.yml", []byte("hostname: registry.example.com\nuser: [ci:writer, dev]\n"),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(document.Values["hostname"], document.Values["user"])

	_, err = question.ParseAnswers("answers.yml", []byte("hostnam: registry.example.com\n"))
	fmt.Println(err)

	// Output:
	// [registry.example.com] [ci:writer dev]
	// answers.yml:1: unknown key, did you mean hostname?; the keys are the flags of setup, without dashes
}

func ExampleSteps() {
	for _, step := range question.Steps() {
		fmt.Printf("%s: %d questions\n", step.Title, len(step.Questions))
		break
	}

	// Output:
	// Host name: 1 questions
}

func ExamplePasswordVariable() {
	fmt.Println(question.PasswordVariable("ci-bot"))

	// Output:
	// PACKHOUSE_PASSWORD_CI_BOT
}

func Example_shell() {
	fmt.Println("packhouse check --dir", setup.Shell("/srv/my registry"))

	// Output:
	// packhouse check --dir '/srv/my registry'
}
