package server

import "net/http"

// endAfterChunked makes w end the connection after the answer to an HTTP/1 request with a chunked
// body. net/http accepts such a request with a Content-Length too, and does not report that it had
// one. A proxy in front may have believed the length instead of the chunks, and what follows on the
// connection is then not a request that the proxy has seen (RFC 9112, section 6.1, request
// smuggling). Clients that send a length, and HTTP/2, keep their connections.
func endAfterChunked(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
}
