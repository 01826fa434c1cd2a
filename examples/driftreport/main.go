// Command driftreport compares two CSV files, what a model was trained on and what it saw
// lately, and writes the drift report as one HTML page:
//
//	go run ./examples/driftreport -reference train.csv -current today.csv -o report.html
//
// Both files begin with a line of names. A column is one of numbers if every value that the
// reference has is a number; an empty field is a missing value. Columns that only the current
// file has are ignored, as are those named with -ignore.
//
// It reads blocks of a file on as many processors as there are, and keeps the numbers of the
// reference but only counts of the current file, however long that is. The exit status is 0
// if the data are stable, 3 if they have drifted, 4 if there are too few rows to tell, and 1
// after an error.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/selfheal-ml/selfheal/drift"
)

// Exit statuses.
const (
	statusStable = iota
	statusError
	statusUsage
	statusDrifted
	statusInsufficient
)

func main() {
	// Most of the memory is a few large slices that stay: less garbage is worth more
	// collections.
	debug.SetGCPercent(20)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "driftreport:", err)
	}
	stop()
	os.Exit(status)
}

// run does what the package comment says and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int, err error) {
	flags := flag.NewFlagSet("driftreport", flag.ContinueOnError)
	flags.SetOutput(stderr)
	reference := flags.String("reference", "", "CSV `file` of the training data")
	current := flags.String("current", "", "CSV `file` of the data to compare with it")
	output := flags.String("o", "", "`file` to write the HTML page to; without it only the summary is printed")
	ignore := flags.String("ignore", "", "`names` of columns to leave out, separated by commas")
	if err := flags.Parse(args); err != nil {
		return statusUsage, nil // which flags has printed
	}
	if *reference == "" || *current == "" || flags.NArg() > 0 {
		flags.Usage()
		return statusUsage, errors.New("want -reference and -current, and no other arguments")
	}
	report, err := compare(ctx, *reference, *current, splitNames(*ignore))
	if err != nil {
		return statusError, err
	}
	if *output != "" {
		if err := writeHTML(*output, report); err != nil {
			return statusError, err
		}
	}
	fmt.Fprintln(stdout, report)
	for _, c := range report.Columns {
		if c.Verdict == drift.Drifted {
			fmt.Fprintf(stdout, "%s: %s\n", c.Name, c.Reason)
		}
	}
	switch report.Verdict {
	case drift.Drifted:
		return statusDrifted, nil
	case drift.Insufficient:
		return statusInsufficient, nil
	default:
		return statusStable, nil
	}
}

func splitNames(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// compare reads both files and detects drift.
func compare(ctx context.Context, referencePath, currentPath string, ignore []string) (*drift.Report, error) {
	ref, err := readReference(ctx, referencePath, ignore)
	if err != nil {
		return nil, err
	}
	profile, err := readProfile(ctx, currentPath, ref)
	if err != nil {
		return nil, err
	}
	detector, err := drift.NewDetector(ref.reference, drift.Config{})
	if err != nil {
		return nil, err
	}
	report, err := detector.Detect(profile)
	if err != nil {
		return nil, err
	}
	report.Label = fmt.Sprintf("%s against %s", filepath.Base(currentPath), filepath.Base(referencePath))
	return report, nil
}

// writeHTML writes the page and reports a failure to close the file, too.
func writeHTML(path string, report *drift.Report) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriter(file)
	if err := report.WriteHTML(w); err != nil {
		return err
	}
	return w.Flush()
}
