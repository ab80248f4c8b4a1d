package s3

import (
	"errors"
	"fmt"
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

// translate gives the errors of the engine their meaning here.
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
		// Some engines answer so to other things too, such as keys that they do not know.
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

// absent tells whether an engine gave no answer, or that it cannot answer now, however often it was asked.
func absent(err error) bool {
	if _, unanswered := errors.AsType[*smithyhttp.RequestSendError](err); unanswered {
		return !noKeys(err) // which are asked for elsewhere
	}
	s := status(err)
	return s >= 500 && s != 501
}

// brief is the core of an error: what the SDK wraps around it tells the reader nothing.
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
