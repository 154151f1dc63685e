// Command ring runs one ring of the project's tests and keeps what came out, so that a whole run can end with one honest
// summary: which rings ran, how long each took, and what passed, failed and was skipped for which reason.
//
//	ring run -results DIR -ring NAME [-dir DIR] -step WHAT -- COMMAND...   one check: passes when COMMAND exits with 0
//	ring run -results DIR -ring NAME [-dir DIR] -tests     -- COMMAND...   COMMAND prints the events of go test -json
//	ring summary -results DIR [-require "RING..."]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	var err error
	switch os.Args[1] {
	case "run":
		err = runCommand(os.Args[2:])
	case "summary":
		err = summaryCommand(os.Args[2:])
	default:
		usage()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ring:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: ring run|summary -results DIR ... (see the package comment)")
	os.Exit(2)
}

// runCommand runs one command of a ring and appends its outcome to the results.
func runCommand(args []string) error {
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	results := flags.String("results", "", "folder of the results")
	ring := flags.String("ring", "", "name of the ring")
	dir := flags.String("dir", "", "folder to run the command in")
	step := flags.String("step", "", "what the command checks")
	tests := flags.Bool("tests", false, "the command prints the events of go test -json")
	_ = flags.Parse(args) // ExitOnError
	if *results == "" || *ring == "" || flags.NArg() == 0 || (*step == "") == !*tests {
		usage()
	}
	fmt.Printf("=== ring %s: %s\n", *ring, title(*step, flags.Args()))
	command := exec.Command(flags.Arg(0), flags.Args()[1:]...)
	command.Dir = *dir
	command.Stderr = os.Stderr
	start := time.Now()
	outcome := Outcome{Ring: *ring}
	var err error
	if *tests {
		outcome.Tests, err = runTests(command)
	} else {
		command.Stdout = os.Stdout
		err = command.Run()
		outcome.Tests = []Test{{Name: *step, Result: resultOf(err)}}
	}
	outcome.Seconds = time.Since(start).Seconds()
	fmt.Printf("=== ring %s: %s, %.1f s\n", *ring, count(outcome.Tests), outcome.Seconds)
	if saveErr := outcome.Save(*results); saveErr != nil {
		return errors.Join(err, saveErr)
	}
	return err
}

func title(step string, command []string) string {
	if step != "" {
		return step
	}
	line := strings.Join(command, " ")
	if len(line) > 160 {
		return line[:160] + " ..."
	}
	return line
}

func resultOf(err error) string {
	if err != nil {
		return Failed
	}
	return Passed
}

// runTests runs the command and reads its events. A command that failed without any test failing is a failure itself.
func runTests(command *exec.Cmd) ([]Test, error) {
	pipe, stdout := io.Pipe()
	command.Stdout = stdout
	command.WaitDelay = 10 * time.Second // a process that was left behind does not keep the ring waiting
	reader := NewReader(os.Stdout)
	read := make(chan error)
	go func() { read <- reader.ReadAll(pipe) }()
	err := command.Run()
	_ = stdout.Close() // never fails
	readErr := <-read
	tests := reader.Tests()
	failed := false
	for _, t := range tests {
		failed = failed || t.Result == Failed
	}
	switch {
	case readErr != nil:
		tests = append(tests, Test{Name: command.Path, Result: Failed, Reason: readErr.Error()})
		err = errors.Join(err, readErr)
	case err != nil && !failed:
		tests = append(tests, Test{Name: command.Path, Result: Failed, Reason: err.Error()})
	case err == nil && len(tests) == 0:
		err = errors.New("no test ran")
		tests = append(tests, Test{Name: command.Path, Result: Failed, Reason: err.Error()})
	}
	return tests, err
}

// summaryCommand prints the summary and fails when anything failed or a required ring did not run.
func summaryCommand(args []string) error {
	flags := flag.NewFlagSet("summary", flag.ExitOnError)
	results := flags.String("results", "", "folder of the results")
	require := flags.String("require", "", "rings that must have run")
	_ = flags.Parse(args) // ExitOnError
	outcomes, err := Load(*results)
	if err != nil {
		return err
	}
	s := Summarize(outcomes, strings.Fields(*require))
	s.Print(os.Stdout)
	if !s.OK() {
		return errors.New("the tests failed")
	}
	return nil
}
