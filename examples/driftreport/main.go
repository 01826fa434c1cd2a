// Command driftreport compares two CSV files and writes the drift report as one HTML page.
// The reference is what a model was trained on. The current file is what the model saw lately.
//
//	go run ./examples/driftreport -reference train.csv -current today.csv -o report.html
//
// # Columns
//
// Both files begin with a line of column names. A column holds numbers if every value of the
// column in the reference is a number or missing. Any other column holds names. -numeric and
// -categorical set the kind of a column, for example of codes that are made of digits.
// Columns that only the current file has are ignored. So are the columns of -ignore. A column
// that the current file lacks is invalid in the report.
//
// An empty field is a missing value. In a column of numbers, -, NA, N/A, n/a, NaN, nan, null,
// NULL and None are missing values too. Any other text in a column of numbers counts as
// missing and is reported. In a column of -numeric, the spellings above are reported as well.
// A column that is read as names, although most of its values are numbers, is reported with
// the first value that is not a number. What is reported is on the standard error and in the
// page.
//
// # Memory and exit status
//
// The command reads blocks of a file on all processors at once. It keeps the numbers of the
// reference. Of the current file it keeps only counts, however long the file is.
//
// The exit status is 0 if the data are stable or after -h, 1 after an error, 2 after wrong
// arguments, 3 if the data have drifted, and 4 if there are too few rows to tell.
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
	"github.com/selfheal-ml/selfheal/drift/reportpage"
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
	// Most of the memory is a few large slices that stay. More collections are a low price
	// for less garbage.
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
	var set settings
	flags.Var((*names)(&set.ignore), "ignore", "`names` of columns to leave out, separated by commas")
	flags.Var((*names)(&set.numeric), "numeric", "`names` of columns to read as numbers; any other text in them counts as missing")
	flags.Var((*names)(&set.categorical), "categorical", "`names` of columns to read as names, even if the values look like numbers")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return statusStable, nil
	case err != nil:
		return statusUsage, nil // flags has printed the error
	}
	if *reference == "" || *current == "" || flags.NArg() > 0 {
		flags.Usage()
		return statusUsage, errors.New("want -reference and -current, and no other arguments")
	}
	report, err := compare(ctx, *reference, *current, set)
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
		if c.Verdict == drift.Invalid {
			fmt.Fprintf(stderr, "column %q cannot be judged: %s\n", c.Name, c.Reason)
		}
		for _, note := range c.Notes {
			fmt.Fprintf(stderr, "column %q: %s\n", c.Name, note)
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

// names is a list of names separated by commas, as a flag that may be repeated.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

func (n *names) Set(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		*n = append(*n, strings.TrimSpace(name))
	}
	return nil
}

// compare reads both files and detects drift.
func compare(ctx context.Context, referencePath, currentPath string, set settings) (*drift.Report, error) {
	ref, err := readReference(ctx, referencePath, set)
	if err != nil {
		return nil, err
	}
	cur, err := readProfile(ctx, currentPath, ref)
	if err != nil {
		return nil, err
	}
	cfg := drift.Config{Columns: make(map[string]drift.ColumnConfig)}
	for _, name := range cur.absent {
		cfg.Columns[name] = drift.ColumnConfig{Ignore: true}
	}
	detector, err := drift.NewDetector(ref.reference, cfg)
	if err != nil {
		return nil, err
	}
	report, err := detector.Detect(cur.profile)
	if err != nil {
		return nil, err
	}
	report.Label = fmt.Sprintf("%s against %s", filepath.Base(currentPath), filepath.Base(referencePath))
	for i := range report.Columns {
		c := &report.Columns[i]
		if m, ok := ref.mixed[c.Name]; ok {
			c.Notes = append(c.Notes, m.note(filepath.Base(referencePath), c.Name))
		}
		if u := ref.unread[c.Name]; u.count > 0 {
			c.Notes = append(c.Notes, u.note(filepath.Base(referencePath)))
		}
		if u := cur.unread[c.Name]; u.count > 0 {
			c.Notes = append(c.Notes, u.note(filepath.Base(currentPath)))
		}
	}
	for _, name := range cur.absent {
		report.Columns = append(report.Columns, drift.ColumnReport{
			Name: name, Kind: ref.kinds[name], Detectable: 1,
			Reason: fmt.Sprintf("%s has no such column.", filepath.Base(currentPath)),
		})
	}
	return report, nil
}

// writeHTML writes the page. It also returns a failure to close the file.
func writeHTML(path string, report *drift.Report) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriter(file)
	if err := reportpage.Write(w, report); err != nil {
		return err
	}
	return w.Flush()
}
