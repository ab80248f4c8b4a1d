package config

import "testing"

// TestOrigins: CORS headers that can have no effect are reported.
func TestOrigins(t *testing.T) {
	file := func(headers string) Source {
		return Source{Path: "my.yml", Data: []byte("version: 0.1\nstorage: inmemory\nhttp:\n  addr: 'localhost:1'\n  headers: {" + headers + "}\n")}
	}
	expectWords(t, file("Access-Control-Allow-Origin: ['https://ui.example.com/', 'https://ok.example.com:8443', 'ui.example.com', '*', 'null', 'https://*.example.com']"),
		`my.yml:5:42: http.headers.Access-Control-Allow-Origin: "https://ui.example.com/" is not an origin of a page, so it never matches; write it like https://ui.example.com, in lower case and without a path`,
		`my.yml:5:42: http.headers.Access-Control-Allow-Origin: "ui.example.com" is not an origin of a page, so it never matches; write it like https://ui.example.com, in lower case and without a path`,
		`my.yml:5:42: http.headers.Access-Control-Allow-Origin: "null" is not an origin of a page, so it never matches; write it like https://ui.example.com, in lower case and without a path`,
		`my.yml:5:42: http.headers.Access-Control-Allow-Origin: "https://*.example.com" is not an origin of a page, so it never matches; write it like https://ui.example.com, in lower case and without a path`)
	expectWords(t, file("Access-Control-Allow-Origin: ['*'], Access-Control-Allow-Credentials: ['true']"),
		"my.yml:5:83: http.headers.Access-Control-Allow-Credentials has no effect: browsers refuse it beside the origin *; list the origins in Access-Control-Allow-Origin")
	expectWords(t, file("Access-Control-Allow-Origin: ['https://ui.example.com'], Access-Control-Allow-Credentials: ['true']"))
}
