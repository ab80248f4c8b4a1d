package server

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packhouse/server/observe"
)

var updateDocs = flag.Bool("update-docs", false, "write the table of docs/metrics.md")

// TestMetricsAreDocumented checks that the table in docs/metrics.md lists every metric with its type,
// labels and meaning, as /metrics describes it. The flag -update-docs writes the table.
func TestMetricsAreDocumented(t *testing.T) {
	h := newHook(t)
	f := newFixture(t, withOrders, with(endpoints(h.endpoint("hook"))))
	base, client := "https"+strings.TrimPrefix(f.run(), "http"), f.client()
	client.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true // a temporary certificate
	f.ask(client, http.MethodGet, base+"/v2/", "ci", nil)
	f.server.metrics.Upkeep.WithLabelValues("scrub", "done").Inc()
	f.eventually("the metrics of the request", func() bool {
		families, _ := f.server.metrics.Registry.Gather()
		for _, m := range families {
			if m.GetName() == "packhouse_requests_total" {
				return true
			}
		}
		return false
	})
	families, err := f.server.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	rows := []string{"| metric | type | labels | meaning |", "|---|---|---|---|"}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "packhouse_") {
			continue
		}
		var labels []string
		for _, l := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", family.GetName(),
			strings.ToLower(family.GetType().String()), strings.Join(labels, ", "), family.GetHelp()))
	}
	described := make(chan *prometheus.Desc, 500)
	f.server.metrics.Registry.Describe(described)
	close(described)
	for d := range described {
		name := strings.Split(d.String(), `"`)[1]
		listed := slices.ContainsFunc(rows, func(r string) bool { return strings.Contains(r, "`"+name+"`") })
		if strings.HasPrefix(name, "packhouse_") && !listed {
			t.Errorf("%s has no value in this test", name)
		}
	}
	const file, begin, end = "../docs/metrics.md", "<!-- metrics -->\n", "<!-- end of metrics -->"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), begin)
	table, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no table of metrics", file)
	}
	want := strings.Join(rows, "\n") + "\n"
	if *updateDocs {
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != want {
		t.Errorf("the table of %s is not up to date: run go test ./server -run %s -update-docs", file, t.Name())
	}
}

// TestAuditLogIsDocumented checks that docs/metrics.md lists every field of the audit log.
func TestAuditLogIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Audit log")
	kinds := map[reflect.Type]string{
		reflect.TypeFor[string](): "string", reflect.TypeFor[time.Time](): "string", reflect.TypeFor[int](): "number",
	}
	for field := range reflect.TypeFor[observe.AuditLine]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if row := fmt.Sprintf("| `%s` | %s | ", name, kinds[field.Type]); !strings.Contains(section, row) {
			t.Errorf("docs/metrics.md has no row %q", row)
		}
	}
}
