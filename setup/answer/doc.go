// Package answer answers all questions without asking: from flags, environment variables, an answers
// file, the existing installation, detection and defaults, in this order. It also prints answers as a
// command and as an answers file.
package answer
