package certgen

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestInspect(t *testing.T) {
	ca := mustCA(t)
	leaf := mustLeaf(t, ca, "a.example.com", "192.0.2.17")
	i := Inspect(leaf.Leaf())
	if i.CommonName != "a.example.com" || i.Issuer != ca.Leaf().Subject.String() || i.KeyType != "ecdsa-p256" || i.SelfSigned || i.IsCA {
		t.Errorf("%+v", i)
	}
	if got := strings.Join(i.Names.Strings(), " "); got != "a.example.com 192.0.2.17" {
		t.Errorf("names %q", got)
	}
	if i := Inspect(ca.Leaf()); !i.SelfSigned || !i.IsCA {
		t.Errorf("%+v", i)
	}
	sum := sha256.Sum256(leaf.Leaf().Raw)
	if got := strings.ReplaceAll(i.Fingerprint, ":", ""); got != strings.ToUpper(hex.EncodeToString(sum[:])) || len(i.Fingerprint) != 95 {
		t.Errorf("fingerprint %s", i.Fingerprint)
	}
	data, err := json.Marshal(i)
	if err != nil || !strings.Contains(string(data), `"names":{"dns":["a.example.com"],"ips":["192.0.2.17"]}`) {
		t.Errorf("JSON %s, %v", data, err)
	}
}

func TestDaysLeft(t *testing.T) {
	i := Info{NotAfter: today}
	for ago, want := range map[time.Duration]int{0: 0, time.Second: -1, -time.Second: 0, -24 * time.Hour: 1, -49 * time.Hour: 2, 25 * time.Hour: -2} {
		if got := i.DaysLeft(today.Add(ago)); got != want {
			t.Errorf("%v after the end: %d days, want %d", ago, got, want)
		}
	}
}

func TestCloseToEnd(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct{ life, left time.Duration }{
		{397 * day, 30 * day}, {90 * day, 30 * day}, {60 * day, 20 * day}, {6 * time.Minute, 2 * time.Minute},
	} {
		c := &x509.Certificate{NotBefore: today, NotAfter: today.Add(tt.life)}
		end := c.NotAfter
		for now, want := range map[time.Time]bool{today: false, end.Add(-tt.left - time.Second): false, end.Add(-tt.left): true, end: true, end.Add(day): true} {
			if got := CloseToEnd(c, now); got != want {
				t.Errorf("life %v, %v before the end: %v", tt.life, end.Sub(now), got)
			}
		}
	}
	for _, days := range []int{1, 2, 397} {
		p, err := NewSelfSigned(LeafOptions{Names: mustNames(t, "a"), Days: days, Now: today})
		if err != nil {
			t.Fatal(err)
		}
		if CloseToEnd(p.Leaf(), today) {
			t.Errorf("a fresh certificate of %d days is called close to its end", days)
		}
	}
}
