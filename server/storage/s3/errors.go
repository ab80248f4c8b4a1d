package s3

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"packhouse/server/storage"
)

func status(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// translate maps errors of the S3 service to those of this package and of storage.
func translate(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	switch code(err) {
	case "NoSuchBucket":
		return fmt.Errorf("%s %s: the bucket does not exist: %w", verb, key, err)
	case "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "NotEnoughSpace":
		return fmt.Errorf("%s %s: %w: %w", verb, key, storage.ErrFull, err)
	}
	switch status(err) {
	case 404:
		// Some services return 404 for other reasons, too, such as unknown access keys.
		switch code(err) {
		case "NoSuchKey", "NotFound", "NoSuchUpload", "NoSuchVersion", "":
			return fmt.Errorf("%s %s: %w", verb, key, errMissing)
		}
	case 412:
		return fmt.Errorf("%s %s: %w", verb, key, errCondition)
	case 507:
		return fmt.Errorf("%s %s: %w: %w", verb, key, storage.ErrFull, err)
	}
	if absent(err) {
		return fmt.Errorf("%s %s: %w: %w", verb, key, storage.ErrUnavailable, err)
	}
	return fmt.Errorf("%s %s: %w", verb, key, err)
}

// absent reports whether the service did not respond, or kept responding that it is unavailable.
func absent(err error) bool {
	if _, unanswered := errors.AsType[*smithyhttp.RequestSendError](err); unanswered {
		return !noKeys(err) // missing credentials are reported elsewhere
	}
	s := status(err)
	return s >= 500 && s != 501
}

// cutOff reports whether the body of a successful response ended early or could not be parsed.
func cutOff(err error) bool {
	_, unreadable := errors.AsType[*smithy.DeserializationError](err)
	return unreadable && status(err)/100 == 2 || errors.Is(err, io.ErrUnexpectedEOF)
}

// brief returns the core of an error, without what the SDK wraps around it.
func brief(err error) string {
	if err == nil {
		return ""
	}
	if c := code(err); c != "" {
		return fmt.Sprintf("%s (status %d)", c, status(err))
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			break
		}
		if _, ok := err.(interface{ Timeout() bool }); ok {
			break
		}
		err = next
	}
	text := err.Error()
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	return text
}
