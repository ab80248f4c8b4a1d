package packs

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
	"gopkg.in/yaml.v3"
)

const (
	// largestIndex is the maximum size of a chart repository's index in bytes. Large ones have 30
	// MB.
	largestIndex = 256 << 20
	maxVersions  = 20_000  // versions of one chart in an index
	maxEntry     = 1 << 20 // bytes of one of them
)

// chartEntry is a version of a chart in the index of a repository.
type chartEntry struct {
	Version string   `json:"version" yaml:"version"`
	URLs    []string `json:"urls" yaml:"urls"`
	Digest  string   `json:"digest" yaml:"digest"` // sha256 in hexadecimal digits, of the file
}

// FindChart finds a chart of a chart repository in its index.yaml. The result has a URL or an OCI
// repository, maybe of another server.
func (c *Client) FindChart(ctx context.Context, ref ChartRef) (ChartRef, error) {
	response, err := c.get(ctx, ref.Repo+"/index.yaml")
	if err != nil {
		return ChartRef{}, c.explain(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	entries, err := readIndex(io.LimitReader(response.Body, largestIndex), ref.Name)
	if err != nil {
		if !errors.Is(err, errNoEntry) {
			err = fail(CodeNotRegistry, fmt.Sprintf("the index of %s cannot be read: %v", quote(ref.Repo), err),
				"is it a chart repository? open "+ref.Repo+"/index.yaml").because(err)
			return ChartRef{}, c.explain(err)
		}
		return ChartRef{}, noChart(ref.Name+" in "+ref.Repo, "", err)
	}
	entry, ok := chooseEntry(entries, ref.Tag)
	if !ok {
		return ChartRef{}, noChart(ref.Name+" in "+ref.Repo, ref.Tag, nil)
	}
	return ref.locate(entry)
}

// chooseEntry returns the entry of a version, or of the highest one if version is empty.
func chooseEntry(entries []chartEntry, version string) (chartEntry, bool) {
	versions := make([]string, len(entries))
	for i, e := range entries {
		versions[i] = e.Version
	}
	wanted := cmp.Or(version, highestVersion(versions))
	for _, e := range entries {
		if e.Version == wanted || version != "" && strings.TrimPrefix(e.Version, "v") == version {
			return e, true
		}
	}
	return chartEntry{}, false
}

// locate returns where the index says that a version is.
func (r ChartRef) locate(entry chartEntry) (ChartRef, error) {
	bad := func(what string) (ChartRef, error) {
		return ChartRef{}, fail(CodeNotRegistry,
			fmt.Sprintf("the index of %s has no usable URL of %s %s: %s", quote(r.Repo), r.Name, quote(entry.Version), what),
			"ask the operator of the repository, or download the chart yourself")
	}
	if len(entry.URLs) == 0 {
		return bad("it lists none")
	}
	sum, known := strings.CutPrefix(entry.Digest, "sha256:")
	if raw, err := hex.DecodeString(sum); (known || sum != "") && (err != nil || len(raw) != 32) {
		return bad("its digest is no sha256")
	}
	base, err := url.Parse(r.Repo + "/")
	if err != nil {
		return ChartRef{}, fmt.Errorf("name repository: %w", err)
	}
	u, err := base.Parse(entry.URLs[0])
	if err != nil {
		return bad("it cannot be parsed")
	}
	if u.Scheme == "oci" {
		found, err := parseOCIChart(strings.TrimPrefix(entry.URLs[0], "oci://"))
		if found.Tag == "" {
			found.Tag = strings.ReplaceAll(entry.Version, "+", "_")
		}
		found.Listed = r.Repo
		return found, err
	}
	if u, err = parseWebURL(u.String()); err != nil {
		return ChartRef{}, err
	}
	if base.Scheme == "https" && u.Scheme != "https" && sum == "" {
		return bad("it is not encrypted, and there is no digest")
	}
	found := ChartRef{URL: u.String(), Server: u.Scheme + "://" + u.Host, Listed: r.Repo}
	if sum != "" {
		found.Sum = digest.NewDigestFromEncoded(digest.SHA256, strings.ToLower(sum))
	}
	return found, nil
}

// readIndex returns the versions of a chart in an index. An index has tens of megabytes, and a
// parsed one needs a hundred times that, so only the entries of the chart are parsed.
func readIndex(r io.Reader, name string) ([]chartEntry, error) {
	buffered := bufio.NewReaderSize(r, maxLine)
	first, err := buffered.Peek(1)
	if err != nil {
		return nil, errors.New("it is empty")
	}
	if first[0] == '{' {
		return readJSONIndex(buffered, name)
	}
	return readYAMLIndex(buffered, name)
}

// readJSONIndex reads an index in JSON.
func readJSONIndex(r io.Reader, name string) ([]chartEntry, error) {
	decoder := json.NewDecoder(r)
	for _, key := range []string{"entries", name} {
		if err := enterMember(decoder, key); err != nil {
			return nil, err
		}
	}
	if _, err := decoder.Token(); err != nil { // [
		return nil, err
	}
	var entries []chartEntry
	for decoder.More() && len(entries) < maxVersions {
		var e chartEntry
		if err := decoder.Decode(&e); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// enterMember reads the start of an object up to the value of a member.
func enterMember(decoder *json.Decoder, key string) error {
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errors.Join(errors.New("it is no object"), err)
	}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		if token == key {
			return nil
		}
		var skipped json.RawMessage
		if err := decoder.Decode(&skipped); err != nil {
			return err
		}
	}
	return errNoEntry
}

// readYAMLIndex reads an index as helm writes it: a key per chart below "entries", and a list of
// versions below each.
func readYAMLIndex(r *bufio.Reader, name string) ([]chartEntry, error) {
	x := indexReader{name: name, keys: -1, items: -1}
	for {
		line, err := readLine(r, maxEntry)
		if more := len(line) > 0 && x.line(bytes.TrimRight(line, "\r\n")); err == nil && more {
			continue
		}
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case x.err != nil:
			return nil, x.err
		case !x.entries:
			return nil, errors.New("it has no entries")
		}
		if x.flush(); x.err != nil {
			return nil, x.err
		}
		if len(x.found) == 0 {
			return nil, errNoEntry
		}
		return x.found, nil
	}
}

// readLine returns the next line, and an error if it has more than most bytes.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		if len(line) > most {
			return nil, fmt.Errorf("a line has more than %d KiB", most>>10)
		}
	}
}

// indexReader reads the lines of an index.
type indexReader struct {
	name    string
	entries bool // the line "entries:" was read
	inside  bool // the key of the chart was read
	keys    int  // indentation of the names of charts; -1: unknown
	items   int  // indentation of the chart's versions; -1: unknown
	item    bytes.Buffer
	found   []chartEntry
	err     error
}

// line reads one line, and reports whether more are needed.
func (x *indexReader) line(line []byte) (more bool) {
	text := bytes.TrimLeft(line, " ")
	if len(text) == 0 || text[0] == '#' {
		return true
	}
	indent := len(line) - len(text)
	isItem := text[0] == '-'
	switch {
	case !x.entries:
		x.entries = indent == 0 && bytes.HasPrefix(text, []byte("entries:"))
		return true
	case indent == 0 && !isItem:
		return false // another key at the top
	}
	if x.keys < 0 {
		x.keys = indent
	}
	if indent == x.keys && !isItem {
		if x.inside {
			return false // the next chart
		}
		key := strings.Trim(strings.TrimSuffix(string(bytes.TrimRight(text, " ")), ":"), `"'`)
		x.inside = key == x.name
		return true
	}
	if !x.inside {
		return true
	}
	if x.items < 0 && isItem {
		x.items = indent
	}
	if isItem && indent == x.items {
		if x.flush(); x.err != nil {
			return false
		}
	}
	x.item.Write(line)
	x.item.WriteByte('\n')
	if x.item.Len() > maxEntry {
		x.err = fmt.Errorf("one version of %s has more than %d KiB", quote(x.name), maxEntry>>10)
	}
	return x.err == nil && len(x.found) < maxVersions
}

// flush parses the lines of a version.
func (x *indexReader) flush() {
	defer x.item.Reset()
	if x.item.Len() == 0 || x.err != nil {
		return
	}
	if n := countValues(x.item.Bytes()); n > maxYAMLNodes {
		x.err = fmt.Errorf("one version of %s has %d values", quote(x.name), n)
		return
	}
	var list []chartEntry
	if err := yaml.Unmarshal(x.item.Bytes(), &list); err != nil {
		x.err = err
		return
	}
	x.found = append(x.found, list...)
}
