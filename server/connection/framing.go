package connection

import (
	"net/http"
)

// EndAfterChunked makes w close the connection after the response to an HTTP/1 request with a
// chunked body. net/http accepts it with a Content-Length too, without reporting it. A proxy in front
// may have used the length instead of the chunks, so what follows on the connection may be a request
// that the proxy has not seen (RFC 9112, section 6.1, request smuggling). HTTP/2 clients, and those
// that send only a length, keep their connections.
func EndAfterChunked(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
}
