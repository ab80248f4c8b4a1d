package answer

import (
	"cmp"
	"errors"
	"strings"

	"packhouse/setup"
	"packhouse/setup/question"
)

// region sets the region from the environment variables of the AWS tools.
func (r *resolver) region() {
	if value := cmp.Or(variable(r.input.Env, "AWS_REGION"), variable(r.input.Env, "AWS_DEFAULT_REGION")); value != "" {
		r.answers.S3.Region = value
		r.from(FromEnvironment, "s3-region")
	}
}

var errSecretLines = errors.New("it does not hold one line")

// secretKey reads the secret key. A flag overrides the environment variable, which overrides the
// answers file.
func (r *resolver) secretKey() {
	for _, flag := range question.Flags() { // a bucket that would not be used is probably a mistake
		if strings.HasPrefix(flag.Name, "s3-") && len(r.input.Flags[flag.Name]) > 0 && !question.InBucket(&r.answers) {
			r.refuse("storage", "--"+flag.Name, setup.CodeConflict,
				"content is not kept in a bucket, but in storage "+r.answers.Storage, "add --storage s3, or leave the flag out")
			return
		}
	}
	path, origin, ok := r.given("s3-secret-key-file")
	if value := variable(r.input.Env, question.S3SecretVariable); value != "" && origin != FromFlag {
		r.answers.S3.SecretKey, r.origins["s3-secret-key"] = setup.Secret(value), FromEnvironment
		return
	}
	if !ok {
		return
	}
	data, err := r.read(path)
	key := strings.TrimSpace(string(data))
	if err == nil && (key == "" || strings.ContainsAny(key, "\r\n")) {
		err = errSecretLines
	}
	if err != nil {
		what := "the file with the secret key cannot be read: " + err.Error()
		r.refuse("s3-secret-key", "--s3-secret-key-file", setup.CodeUnread, what, setup.FixUnread(err))
		return
	}
	r.answers.S3.SecretKey, r.origins["s3-secret-key"] = setup.Secret(key), origin
}
