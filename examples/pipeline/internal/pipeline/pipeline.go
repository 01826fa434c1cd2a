// Package pipeline is the whole example. Its two programs, one with and one without database
// drivers, call [Main].
package pipeline

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Main runs the program with these arguments and returns the exit code: 0, 1 for a failure,
// or 2 for unusable arguments.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, args, stdout, stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage): // the flag package has said what is wrong
		return 2
	}
	fmt.Fprintln(stderr, "pipeline:", err)
	return 1
}

// errUsage means that the flags cannot be used.
var errUsage = errors.New("wrong usage")

// options are the flags.
type options struct {
	dir, database   string
	address         string
	seed            uint64
	json, serve     bool
	start           time.Time
	data, label, id string
	every, delay    time.Duration
	first           int // days
}

// run runs the program with these arguments.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	t := &timeline{progress: terminal(stderr)}
	if !o.json {
		t.out = stdout
	}
	if o.data == "" {
		return runStory(ctx, o, t, stdout, stderr)
	}
	return runReplay(ctx, o, t, stdout)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("pipeline", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.dir, "dir", "", "`folder` to keep everything in: new or empty (default: a temporary one)")
	flags.StringVar(&o.database, "db", "", "`URL` of a database to keep everything in but the reports: postgres://... or sqlite:FILE")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of whatever is random")
	flags.BoolVar(&o.json, "json", false, "print one JSON object on standard output in place of the timeline")
	flags.TextVar(&o.start, "start", time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC), "when the simulated time begins, as RFC 3339")
	flags.BoolVar(&o.serve, "serve", false, "after the story, keep the service and the status page up until interrupted; the story then ends today")
	flags.StringVar(&o.address, "addr", "127.0.0.1:0", "`address` that the story's service listens on; port 0 picks a free one")
	flags.StringVar(&o.data, "data", "", "replay this CSV `file` in place of the story")
	flags.StringVar(&o.label, "label", "", "`column` of the file that holds the label, one of two classes; the greater one is positive")
	flags.StringVar(&o.id, "id", "", "`column` of the file that names the row, if there is one")
	flags.DurationVar(&o.every, "every", 30*time.Minute, "time from one row of the file to the next")
	flags.IntVar(&o.first, "first", 60, "`days` of the file that the first version is made from")
	flags.DurationVar(&o.delay, "delay", day, "time from a row of the file to its label")
	if err := flags.Parse(args); err != nil {
		return o, errors.Join(err, errUsage)
	}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if flags.NArg() > 0 {
		wrong("unexpected argument %q", flags.Arg(0))
	}
	if o.data != "" && o.label == "" {
		wrong("-data needs -label")
	}
	if o.data == "" && (o.label != "" || o.id != "") {
		wrong("-label and -id need -data")
	}
	if o.data != "" && o.serve {
		wrong("-serve is for the story, without -data")
	}
	if o.every <= 0 {
		wrong("-every is %v, want a positive duration", o.every)
	}
	if o.first <= 0 {
		wrong("-first is %d, want a positive number of days", o.first)
	}
	if o.delay < 0 {
		wrong("-delay is %v, want 0 or more", o.delay)
	}
	return o, errors.Join(errs...)
}

func runStory(ctx context.Context, o options, t *timeline, stdout, stderr io.Writer) error {
	cfg := storyConfig{dir: o.dir, database: o.database, seed: o.seed, start: o.start, address: o.address}
	if o.serve {
		cfg.start = time.Now().Truncate(tick).Add(-storyLength)
	}
	_, err := tellStory(ctx, cfg, t, func(ctx context.Context, s *story) error {
		if err := s.summary.print(stdout, o.json); err != nil || !o.serve {
			return err
		}
		fmt.Fprintf(stderr, "serving on %s, with the status page, until interrupted\n", s.client.url)
		return s.loop.Run(ctx)
	})
	return err
}

func runReplay(ctx context.Context, o options, t *timeline, stdout io.Writer) error {
	summary, err := replayFile(ctx, replayConfig{
		data:     o.data,
		label:    o.label,
		id:       o.id,
		dir:      o.dir,
		database: o.database,
		seed:     o.seed,
		start:    o.start,
		every:    o.every,
		first:    time.Duration(o.first) * day,
		delay:    o.delay,
	}, t)
	t.clear()
	if err != nil {
		return err
	}
	return summary.print(stdout, o.json)
}
