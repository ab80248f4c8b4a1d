package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/acme"
)

// answersOf makes a server on the bucket that nobody runs.
func (b *bucket) answersOf(t *testing.T) *replica {
	t.Helper()
	r := &replica{bucket: b}
	r.Manager = newManager(t, newFakeCA(t), Options{Cache: r, Lease: r.take, HTTP01: true})
	b.asked()
	return r
}

// proves asks a server for a proof as the CA does.
func (r *replica) proves(kind string) bool {
	if kind == tlsALPN01 {
		c, err := r.ChallengeConfig(&tls.ClientHelloInfo{ServerName: host, SupportedProtos: []string{acme.ALPNProto}})
		return err == nil && c != nil
	}
	return r.says(token)
}

// says asks a server for the answer to a token.
func (r *replica) says(token string) bool {
	asked := httptest.NewRequest(http.MethodGet, challengePath+token, nil)
	asked.Host = host
	w := httptest.NewRecorder()
	r.HTTPHandler("").ServeHTTP(w, asked)
	return w.Code == http.StatusOK && strings.HasPrefix(w.Body.String(), token+".")
}

// TestSharedAnswers: what one server puts up every other one shows from the moment on at which the CA is told, also one that was asked a
// moment before; and not for longer than the order, nor when it was left over.
func TestSharedAnswers(t *testing.T) {
	for _, kind := range []string{http01, tlsALPN01} {
		synctest.Test(t, func(t *testing.T) {
			b := newBucket()
			one, other, third := b.answersOf(t), b.answersOf(t), b.answersOf(t)
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			go func() { // a stranger who does not cease to ask
				for {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond):
						other.proves(kind)
					}
				}
			}()
			b.slowDown(300 * time.Millisecond)
			var a answer
			for i := range 20 {
				time.Sleep(time.Second + time.Duration(i)*57*time.Millisecond)
				if a, err = one.answers.put(t.Context(), &acme.Client{Key: key}, host, &acme.Challenge{Type: kind, Token: token}); err != nil {
					t.Fatal(err)
				}
				for _, r := range []*replica{one, other, third} {
					if !r.proves(kind) {
						t.Errorf("%s is not answered", kind)
					}
				}
				if i < 19 {
					a.remove(t.Context())
				}
			}
			if kind == http01 && other.says(strings.Repeat("x", 43)) {
				t.Error("any token is answered")
			}
			close(stop)
			time.Sleep(answerLife)
			if other.proves(kind) {
				t.Errorf("%s is answered long after the order", kind)
			}
			a.remove(t.Context())
			if b.entry(proofKey(host)) != "" || b.entry(tokenKey(host)) != "" {
				t.Error("an answer is left over")
			}
		})
	}
}

// TestStrangersAreCheap: whoever asks for proofs, and however often and for whatever, the bucket is asked once in a second for each name.
func TestStrangersAreCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		r := b.answersOf(t)
		began := time.Now()
		for time.Since(began) < time.Minute {
			for range 10 {
				r.says(rand.Text() + rand.Text())
			}
			r.proves(tlsALPN01)
			time.Sleep(10 * time.Millisecond)
		}
		if gets, _, _ := b.asked(); gets > 2*61 {
			t.Errorf("%d reads for strangers in a minute", gets)
		}
		b.mu.Lock()
		b.unread = errors.New("503 slow down")
		b.mu.Unlock()
		for range 1000 {
			r.proves(http01)
		}
		if gets, _, _ := b.asked(); gets > 1 {
			t.Errorf("%d reads of a bucket that cannot be read", gets)
		}
	})
}
