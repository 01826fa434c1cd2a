package pipeline

import (
	"fmt"
	"io"
	"os"
	"time"
)

// event is one line of the timeline.
type event struct {
	Time time.Time `json:"time"` // of the simulated clock
	Kind string    `json:"kind"`
	Text string    `json:"text"`
}

// timeline collects events and shows them as they happen. It is not safe for concurrent
// use.
type timeline struct {
	out      io.Writer // gets a line for each event; nil for none
	progress io.Writer // a terminal that gets a line which is overwritten; nil for none
	shown    int       // length of the progress line on the terminal
	events   []event
}

// add records that something happened.
func (t *timeline) add(at time.Time, kind, format string, args ...any) {
	e := event{Time: at.UTC(), Kind: kind, Text: fmt.Sprintf(format, args...)}
	t.events = append(t.events, e)
	t.clear()
	if t.out != nil {
		fmt.Fprintf(t.out, "%s  %-11s  %s\n", e.Time.Format("2006-01-02 15:04"), e.Kind, e.Text)
	}
}

// working shows the present work until the next event, if a person is looking.
func (t *timeline) working(format string, args ...any) {
	if t.progress == nil {
		return
	}
	t.clear()
	t.shown, _ = fmt.Fprintf(t.progress, format, args...)
}

// clear removes the progress line from the terminal.
func (t *timeline) clear() {
	if t.shown > 0 {
		fmt.Fprintf(t.progress, "\r%*s\r", t.shown, "")
		t.shown = 0
	}
}

// terminal returns w if a person is looking at it, nil otherwise.
func terminal(w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return w
}
