package healing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/gate"
	"github.com/selfheal-ml/selfheal/registry"
)

// entryFormat is the version of the form in which entries are written.
const entryFormat = 1

// entryBody is the body of an entry in the [registry.Chain] of a journal.
type entryBody struct {
	Format int `json:"format"`
	Run    Run `json:"run"` // without its decision
	// Decision is the decision of the run, in the entry of StepJudged.
	Decision json.RawMessage `json:"decision,omitempty"`
}

// storedDecision is a decision as the journal stores it. A decision is large and seldom
// looked at, so it is decoded when it is first asked for.
type storedDecision struct {
	data json.RawMessage
	read func() (*gate.Decision, error)
}

func newStoredDecision(data json.RawMessage) *storedDecision {
	return &storedDecision{data: data, read: sync.OnceValues(func() (*gate.Decision, error) {
		d := new(gate.Decision)
		if err := json.Unmarshal(data, d); err != nil {
			return nil, fmt.Errorf("healing: decision: %w", err)
		}
		return d, nil
	})}
}

// hash returns the same as [gate.Decision.Hash].
func (d *storedDecision) hash() string {
	sum := sha256.Sum256(d.data)
	return hex.EncodeToString(sum[:])
}

// whole returns the run with its decision.
func (r Run) whole() (Run, error) {
	if r.Decision != nil || r.stored == nil {
		return r, nil
	}
	var err error
	r.Decision, err = r.stored.read()
	r.stored = nil
	return r, err
}

// Entry is one entry of a journal.
type Entry struct {
	// Seq numbers the entries upwards from 1 without gaps.
	Seq uint64
	// Hash is the SHA-256 of the stored entry. Hash vouches for all entries before this one.
	Hash string
	// Token is the fencing token of the process that wrote the entry, 0 for an order of a
	// person and for a loop without a lease.
	Token uint64
	// Run is the run after a step. Decision and Budget are only in the entry of [StepJudged].
	Run Run
	// Repair, if not nil, says that damaged entries before this one do not count. An entry
	// with a Repair has no Run.
	Repair *registry.Repair
}

// ReadJournal yields the entries of a journal in order, for audits. ReadJournal verifies that
// no entry was changed, removed or inserted; only the removal of the last entries cannot be
// seen. The sequence ends at the first error, which comes with a zero Entry; a damaged entry
// is [registry.ErrCorrupt] with its number. Entries that a repair set aside are passed over.
// The whole journal is read before the first entry is yielded.
func ReadJournal(ctx context.Context, journal registry.Log) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		chain, err := registry.NewChain(journal), registry.ErrRewound
		var links []registry.Link
		for errors.Is(err, registry.ErrRewound) {
			links = nil
			err = chain.CatchUp(ctx, func(link registry.Link) error {
				links = append(links, link)
				return nil
			})
		}
		for _, link := range links {
			e, err := openEntry(link)
			if err == nil {
				e.Run, err = e.Run.whole()
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("healing: journal: %w", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(Entry{}, fmt.Errorf("healing: journal: %w", err))
		}
	}
}

// RepairJournal makes a damaged journal usable again: it keeps every entry up to the last
// that can be verified, and sets the rest aside where it is. The repair records actor and
// reason. A run that was under way goes on from the last step that was kept. A journal
// without damage is left alone, and the Repair is zero.
func RepairJournal(ctx context.Context, journal registry.Log, actor, reason string, now time.Time) (registry.Repair, error) {
	if err := (Order{Trigger: "repair", Actor: actor, Reason: reason}).check(); err != nil {
		return registry.Repair{}, err
	}
	r, err := registry.RepairLog(ctx, journal, actor, reason, now)
	if err != nil {
		return r, fmt.Errorf("healing: repair: %w", err)
	}
	return r, nil
}

// sealEntry returns the body of the entry that records the run.
func sealEntry(r Run) ([]byte, error) {
	body := entryBody{Format: entryFormat}
	if r.Step == StepJudged {
		data, err := json.Marshal(r.Decision)
		if err != nil {
			return nil, err
		}
		body.Decision = data
	} else { // an earlier entry has the budget, which grows
		r.Budget = nil
	}
	r.Decision = nil
	body.Run = r
	return json.Marshal(body)
}

// openEntry returns the entry of a verified link.
func openEntry(link registry.Link) (Entry, error) {
	e := Entry{Seq: link.Seq, Hash: link.Hash, Token: link.Token, Repair: link.Repair}
	if link.Repair != nil {
		return e, nil
	}
	var body entryBody
	if err := json.Unmarshal(link.Body, &body); err != nil {
		return Entry{}, fmt.Errorf("healing: entry %d: %w", link.Seq, err)
	}
	if body.Format != entryFormat {
		return Entry{}, fmt.Errorf("healing: entry %d has the format %d, want %d: written by a newer version?", link.Seq, body.Format, entryFormat)
	}
	body.Run.Decision = nil // the decision has a field of its own
	if body.Decision != nil {
		body.Run.stored = newStoredDecision(body.Decision)
	}
	if err := body.Run.check(); err != nil {
		return Entry{}, fmt.Errorf("healing: entry %d: %w", link.Seq, err)
	}
	e.Run = body.Run
	return e, nil
}
