package question

// Exported for the tests of package question_test.
var (
	S3Rights    = s3Rights
	ProbeBucket = probeBucket
)

// ACMEStaging is exported for the tests of package question_test.
const ACMEStaging = acmeStaging
