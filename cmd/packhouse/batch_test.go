package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"packhouse/tui/noquery"
)

// batchName is the name under which the program of the tests runs the commands of a batch.
const batchName = "packhouse-batch"

// batchRequest is one command line of a batch.
type batchRequest struct {
	Args []string
	Env  []string // beside the environment of the process
}

// batchResponse is the result of a batchRequest.
type batchResponse struct {
	Code int
	Out  string // stdout and stderr
}

// mainOfBatch runs commands from stdin as main does, one after another, and reports their results on
// file descriptor 3.
func mainOfBatch() {
	noquery.Restore()
	empty, err := os.Open(os.DevNull)
	if err != nil {
		panic(err)
	}
	requests, responses := json.NewDecoder(os.Stdin), json.NewEncoder(os.NewFile(3, "responses"))
	for {
		var request batchRequest
		if err := requests.Decode(&request); err == io.EOF {
			os.Exit(0)
		} else if err != nil {
			panic(err)
		}
		var out bytes.Buffer
		a := appOnMachine()
		a.Stdin, a.Stdout, a.Stderr, a.Env = empty, &out, &out, append(a.Env, request.Env...)
		code := run(context.Background(), a, request.Args)
		if err := responses.Encode(batchResponse{code, out.String()}); err != nil {
			panic(err)
		}
	}
}

// batch is a process that runs many commands one after another, where a process for each would take
// most of the time of a test. It ends with the test.
type batch struct {
	command   *exec.Cmd
	requests  *json.Encoder
	responses *json.Decoder
	stderr    bytes.Buffer // of the process, not of its commands
}

// startBatch starts the program with the user, directory and environment of command.
func startBatch(t *testing.T, command *exec.Cmd) *batch {
	t.Helper()
	b := &batch{command: command}
	command.Args = []string{batchName}
	command.Stderr = &b.stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command.ExtraFiles = []*os.File{write}
	err = command.Start()
	_ = write.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = command.Wait()
		_ = read.Close()
	})
	b.requests, b.responses = json.NewEncoder(stdin), json.NewDecoder(read)
	return b
}

// run runs one command and returns its exit code and output. A command that does not end within the
// patience of the tests, that ends the process or that keeps a lock fails the test.
func (b *batch) run(t *testing.T, args, env []string) (int, string) {
	t.Helper()
	slow := time.AfterFunc(patience, func() { _ = b.command.Process.Kill() })
	defer slow.Stop()
	var response batchResponse
	if err := b.requests.Encode(batchRequest{args, env}); err != nil {
		t.Fatalf("packhouse %s: %v", strings.Join(args, " "), err)
	}
	if err := b.responses.Decode(&response); err != nil {
		t.Fatalf("packhouse %s ends the process, or does not end: %v\n%s", strings.Join(args, " "), err, b.stderr.String())
	}
	if strings.Contains(response.Out, "pid "+strconv.Itoa(b.command.Process.Pid)) {
		t.Errorf("packhouse %s: an earlier command kept a lock\n%s", strings.Join(args, " "), response.Out)
	}
	return response.Code, response.Out
}
