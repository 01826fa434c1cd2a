package pipeline

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestStory lives through the story, reads its summary, looks at what it kept, and asks
// the service that stays up.
func TestStory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout bytes.Buffer
	messages, stderr := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-json", "-serve", "-dir", dir}, &stdout, stderr)
		stderr.Close()
		ended <- err
	}()
	said := make([]byte, 1000)
	n, err := messages.Read(said)
	if err != nil {
		require.NoError(t, <-ended)
	}
	url := regexp.MustCompile(`http://[^,]+`).FindString(string(said[:n]))
	page, err := http.Get(url + "/")
	require.NoError(t, err)
	content, err := io.ReadAll(page.Body)
	require.NoError(t, err)
	require.NoError(t, page.Body.Close())
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Contains(t, string(content), "run-", "the status page shows runs")
	stop()
	require.NoError(t, <-ended)

	var summary storySummary
	decoder := json.NewDecoder(&stdout)
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&summary))
	require.ErrorIs(t, decoder.Decode(new(any)), io.EOF, "one object and nothing else")

	require.Greater(t, summary.Healed.F1, summary.Drifted.F1+0.1)
	require.Greater(t, summary.Healed.AUC, summary.Drifted.AUC+0.1)
	require.Less(t, summary.Healed.Brier, summary.Drifted.Brier-0.05)
	require.Greater(t, summary.Before.F1, summary.Drifted.F1)
	require.Zero(t, summary.Failed)
	require.Greater(t, summary.Requests, int64(2000))
	// What must come to pass, in this order.
	rest := summary.Events
	for _, want := range []struct{ kind, text string }{
		{"skipped", "0 of 1680 predictions labelled"},
		{"confirmed", "version 1 is in production, the first"},
		{"refused", "422: age is 12, want gte=18; utilization is 7, want lte=1.5; region is atlantis"},
		{"monitor", "stable"},
		{"monitor", "drift in"},
		{"triggered", "drifted"},
		{"judged", "promote"},
		{"watching", "version 2 is in production in place of 1"},
		{"swap", "none failed"},
		{"serving", "version 2"},
		{"confirmed", "no harm proven"},
		{"judged", "reject"},
		{"rejected", "version 3 is archived"},
		{"watching", "version 3 is in production in place of 2"},
		{"rolled_back", "version 2 is back, 3 is quarantined"},
		{"serving", "version 2"},
	} {
		for len(rest) > 0 && !(rest[0].Kind == want.kind && strings.Contains(rest[0].Text, want.text)) {
			rest = rest[1:]
		}
		require.NotEmpty(t, rest, "no event %q with %q, at its place", want.kind, want.text)
	}

	for _, pattern := range []string{
		"predictions/*.csv", "labels/labels.csv", "registry/*", "journal/*.json", "telemetry/*", "reference.json", "drift-reports/*.json", "drift-reports/*.html",
	} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
	}
	err = run(t.Context(), []string{"-dir", dir}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "is not empty")
}

// writeStream writes a stream of so many days, 24 rows a day, and returns its path. The
// first noisy days cannot be learnt; on the day of the turn the concept turns round.
func writeStream(t *testing.T, days, noisy, turn int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stream.csv")
	file, err := os.Create(path)
	require.NoError(t, err)
	w := csv.NewWriter(file)
	require.NoError(t, w.Write([]string{"key", "x", "colour", "noise", "y"}))
	random := rand.New(rand.NewPCG(3, 4))
	for i := range days * 24 {
		x, colour := random.NormFloat64(), []string{"red", "green", "blue"}[random.IntN(3)]
		odds := 2 * x
		if colour == "red" {
			odds++
		}
		switch {
		case i < noisy*24:
			odds = 0
		case i >= turn*24:
			odds = -odds
		}
		noise, class := fmt.Sprint(random.NormFloat64()), "bad"
		if random.Float64() < 0.1 {
			noise = ""
		}
		if random.Float64() < sigmoid(odds) {
			class = "good"
		}
		require.NoError(t, w.Write([]string{"k" + strconv.Itoa(i), strconv.FormatFloat(x, 'g', -1, 64), colour, noise, class}))
	}
	w.Flush()
	require.NoError(t, w.Error())
	require.NoError(t, file.Close())
	return path
}

func replayed(t *testing.T, args ...string) replaySummary {
	t.Helper()
	var stdout bytes.Buffer
	require.NoError(t, run(t.Context(), append(args, "-json", "-dir", t.TempDir()), &stdout, io.Discard))
	var summary replaySummary
	decoder := json.NewDecoder(&stdout)
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&summary))
	require.ErrorIs(t, decoder.Decode(new(any)), io.EOF, "one object and nothing else")
	return summary
}

func TestReplay(t *testing.T) {
	t.Parallel()
	args := []string{"-data", writeStream(t, 110, 0, 32), "-label", "y", "-id", "key", "-every", "1h", "-first", "30"}
	first, second := replayed(t, args...), replayed(t, args...)
	first.Seconds, first.Dir, second.Seconds, second.Dir = 0, "", 0, ""
	require.Equal(t, first, second, "a replay is repeatable")
	require.Equal(t, 80*24, first.Rows)
	require.Equal(t, 80, first.Passes)
	require.GreaterOrEqual(t, first.Promotions, 1)
	require.Equal(t, first.Runs, first.Promotions+first.Rejections+first.Inconclusive+first.Skipped)
	require.Less(t, first.Static.AUC, 0.6, "the first version does not know that the world turned round")
	require.Greater(t, first.Healed.AUC, first.Static.AUC+0.1)
	require.Greater(t, first.Healed.F1, first.Static.F1+0.1)
}

// TestReplay_WaitsForAModel replays a stream of which nothing can be learnt at first.
func TestReplay_WaitsForAModel(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	args := []string{"-data", writeStream(t, 80, 25, 80), "-label", "y", "-id", "key", "-every", "1h", "-first", "20", "-dir", t.TempDir()}
	require.NoError(t, run(t.Context(), args, &stdout, io.Discard))
	text := stdout.String()
	require.Contains(t, text, "rejected", "the first version is no better than a constant")
	require.Less(t, strings.Index(text, "rejected"), strings.Index(text, "confirmed"), "a later one is deployed")
	require.Regexp(t, `static .*\nhealed `, text)
}

func TestReplay_Refuses(t *testing.T) {
	t.Parallel()
	stream := writeStream(t, 30, 0, 30)
	// The other class comes too late to be learnt.
	oneClass := filepath.Join(t.TempDir(), "one.csv")
	require.NoError(t, os.WriteFile(oneClass, []byte("x,y\n"+strings.Repeat("1,0\n", 25*24)+"1,1\n"), 0o644))
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no file":        {[]string{"-data", filepath.Join(t.TempDir(), "none.csv"), "-label", "y"}, "no such file"},
		"too short":      {[]string{"-data", stream, "-label", "y", "-id", "key", "-every", "1h"}, "720 rows, one every 1h0m0s, span 30.0 days: nothing is left after the first 60.0"},
		"one class":      {[]string{"-data", oneClass, "-label", "y", "-every", "1h", "-first", "20"}, "no version of the whole file could be deployed"},
		"no first model": {[]string{"-data", stream, "-label", "y", "-id", "key", "-every", "1h", "-first", "5"}, "the first 5.0 days are too short"},
	} {
		err := run(t.Context(), append(c.args, "-dir", t.TempDir()), io.Discard, io.Discard)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestRun_RefusesFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-nonsense"}, "nonsense"},
		{[]string{"story"}, `unexpected argument "story"`},
		{[]string{"-data", "x.csv"}, "-data needs -label"},
		{[]string{"-label", "y"}, "need -data"},
		{[]string{"-data", "x.csv", "-label", "y", "-serve"}, "-serve is for the story"},
		{[]string{"-every", "0s", "-first", "0", "-delay", "-1h"}, "-every is 0s, want a positive duration\n-first is 0, want a positive number of days\n-delay is -1h0m0s"},
	} {
		require.ErrorContains(t, run(t.Context(), c.args, io.Discard, io.Discard), c.want)
	}
}

// TestReplay_ELEC2 replays 150 days of a real market, in the middle of which another
// market opens beside it.
func TestReplay_ELEC2(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("SELFHEAL_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	whole, err := os.ReadFile(filepath.Join(dir, "elec2.csv"))
	if err != nil {
		t.Skipf("no ELEC2 data: set SELFHEAL_DATA to the folder that holds elec2.csv (%v)", err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	path := filepath.Join(t.TempDir(), "elec2.csv")
	const skip = 240 * 48
	part := lines[0] + strings.Join(lines[1+skip:1+skip+150*48], "")
	require.NoError(t, os.WriteFile(path, []byte(part), 0o644))
	s := replayed(t, "-data", path, "-label", "class", "-start", "1997-02-01T00:00:00Z", "-every", "30m")
	require.Equal(t, 90*48, s.Rows)
	require.Equal(t, 90, s.Passes)
	require.NotZero(t, s.Promotions)
	require.LessOrEqual(t, s.Promotions, 90/7/2, "half of a retrainer without a gate")
	require.Greater(t, s.Healed.F1, s.Static.F1+0.05)
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	var out, progress bytes.Buffer
	at := time.Date(2025, 1, 6, 7, 8, 0, 0, time.FixedZone("CET", 3600))
	tl := &timeline{out: &out, progress: &progress}
	tl.working("%d done", 5)
	tl.add(at, "kind", "what %s", "happened")
	require.Equal(t, "2025-01-06 06:08  kind         what happened\n", out.String())
	require.Equal(t, "5 done\r      \r", progress.String(), "the progress line is taken away")
	require.Equal(t, []event{{at.UTC(), "kind", "what happened"}}, tl.events)

	silent := &timeline{}
	silent.working("unseen")
	silent.add(at, "kind", "kept")
	require.Len(t, silent.events, 1)

	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	require.Nil(t, terminal(file))
	require.NoError(t, file.Close())
	require.Nil(t, terminal(&out))
}

func TestSummary_Table(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := storySummary{Before: score{0.6, 0.8, 0.15, 0.75, 600}, Requests: 7000, Dir: "/kept"}
	require.NoError(t, s.print(&out, false))
	require.Contains(t, out.String(), "production             F1    AUC  Brier  accuracy    rows\n")
	require.Contains(t, out.String(), "before the drift    0.600  0.800  0.150     0.750     600\n")
	require.Contains(t, out.String(), "files: /kept ")
}
