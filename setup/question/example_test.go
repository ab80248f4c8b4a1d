package question_test

import (
	"fmt"

	"packhouse/setup/question"
)

func ExampleSteps() {
	for _, step := range question.Steps() {
		fmt.Printf("%s: %d questions\n", step.Title, len(step.Questions))
		break
	}

	// Output:
	// Host name: 1 questions
}
