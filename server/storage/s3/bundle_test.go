package s3

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"packhouse/certgen"
	"packhouse/server/config"
)

// TestBundleIsParsedOnce verifies that a client parses AWS_CA_BUNDLE once: it allocates hardly more than
// that costs.
func TestBundleIsParsedOnce(t *testing.T) {
	var text bytes.Buffer
	for range 60 {
		ca, err := certgen.NewCA(certgen.CAOptions{})
		if err != nil {
			t.Fatal(err)
		}
		text.Write(ca.CertPEM())
	}
	path := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.S3Storage{Bucket: "b", AccessKey: "a", SecretKey: "s", RegionEndpoint: "https://s3.example"}
	client := func(bundle string) float64 {
		t.Setenv(bundleVariable, bundle)
		return testing.AllocsPerRun(3, func() {
			if _, err := newClient(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
		})
	}
	once := testing.AllocsPerRun(3, func() {
		if n := len(certificatesIn(text.Bytes())); n != 60 {
			t.Fatalf("%d certificates, want 60", n)
		}
	})
	if more := client(path) - client(""); more > 1.5*once {
		t.Errorf("a bundle costs %.0f allocations, parsing it once %.0f", more, once)
	}
}

// TestBundleForCredentials verifies that requests for credentials trust every CA of the bundle.
func TestBundleForCredentials(t *testing.T) {
	var cas trusted
	var last *certgen.Pair
	for range 3 {
		ca, err := certgen.NewCA(certgen.CAOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cas.bundle, last = append(cas.bundle, ca.Leaf()), ca
	}
	t.Setenv(bundleVariable, "")
	loaded, err := awsconfig.LoadDefaultConfig(t.Context(), cas.forCredentials()...)
	if err != nil {
		t.Fatal(err)
	}
	client, ok := loaded.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		t.Fatalf("client %T", loaded.HTTPClient)
	}
	roots := client.GetTransport().TLSClientConfig.RootCAs
	o := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if _, err := last.Leaf().Verify(o); err != nil {
		t.Errorf("the last CA: %v", err)
	}
}
