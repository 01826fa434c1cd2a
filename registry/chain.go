package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Chain reads and writes a [Log] whose entries vouch for each other. An entry holds a body,
// the hash of the entry before it and, at its end, the SHA-256 of its own stored bytes. Only
// bytes are verified, and nothing that a store may change without changing the bytes, such as
// the precision of a time. Damage to an entry, also to the last one, is found as soon as the
// entry is read.
//
// An entry may carry the fencing token of its author's lease. A Chain refuses to append with
// a token below the highest that it has read. Because it reads every entry before its own, a
// process that lost its lease can write nothing after the first entry of the next holder.
//
// A Chain remembers the place up to which it has read. A Chain is not safe for concurrent
// use; any number of Chains, in any processes, may share a log.
type Chain struct {
	log    Log
	last   Link     // the last entry that was verified; its Seq is 0 before the first
	end    uint64   // the number of the last entry that was read; above last.Seq after damage
	token  uint64   // the highest token that was read
	damage error    // the damage to the entry after last, nil for none
	aside  []Repair // of undamaged entries that a repair set aside
}

// ErrRewound is returned by [Chain.CatchUp] when a repair set aside entries that fold has
// already got.
var ErrRewound = errors.New("registry: a repair set aside what was read before")

// Link is an entry of a [Chain].
type Link struct {
	Seq   uint64
	Hash  string // the SHA-256, in hexadecimal, that the entry ends with
	Token uint64 // of the author's lease, 0 for none
	// Body is a JSON value in compact form; null in an entry of [RepairLog].
	Body json.RawMessage
	// Repair is set in an entry of [RepairLog].
	Repair *Repair
}

// Repair says which entries [RepairLog] set aside, and why.
type Repair struct {
	Kept   uint64    `json:"kept"`  // the last entry that still counts
	Aside  uint64    `json:"aside"` // the last entry that does not count
	Damage string    `json:"damage"`
	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`
}

// wireLink is the written form of an entry without the seal at its end.
type wireLink struct {
	Seq    uint64          `json:"seq"`
	Prev   string          `json:"prev"`  // the hash of the entry before, "" for the first
	Nonce  string          `json:"nonce"` // tells equal entries of two authors apart
	Token  uint64          `json:"token,omitempty"`
	Repair *Repair         `json:"repair,omitempty"`
	Body   json.RawMessage `json:"body"`
}

// sealFormat is the end of an entry: the SHA-256 of all bytes before it.
const sealFormat = `,"sha256":"%x"}`

var sealLength = len(fmt.Sprintf(sealFormat, sha256.Sum256(nil)))

// NewChain returns a chain over the log. NewChain reads nothing.
func NewChain(log Log) *Chain { return &Chain{log: log} }

// Last returns the last entry that was read and verified, the zero Link if there is none.
func (c *Chain) Last() Link { return c.last }

// CatchUp reads the new entries, verifies them and hands each to fold, in order. An entry
// that is damaged, or does not follow the entry before it, is [ErrCorrupt] with its number,
// unless a later [RepairLog] set it aside: such entries are passed over. An error of fold
// ends the reading, and the next CatchUp reads that entry again.
//
// A repair may set aside entries that fold has already got, because they were damaged only
// afterwards or could be read again meanwhile. CatchUp then returns [ErrRewound], which needs
// no person: the caller forgets all folded entries and calls CatchUp again. The next CatchUp
// begins with the first entry, and may return ErrRewound again if there were several repairs.
func (c *Chain) CatchUp(ctx context.Context, fold func(Link) error) error {
	end, damage := c.last.Seq, error(nil)
	c.damage = nil
	for entry, err := range c.log.Read(ctx, c.last.Seq) {
		if err != nil {
			return err
		}
		end++
		if c.isAside(end) {
			continue
		}
		link, prev, err := openLink(entry)
		switch {
		case err != nil:
		case link.Seq != end:
			err = fmt.Errorf("says that it is entry %d", link.Seq)
		case link.Repair != nil && link.Repair.Aside != end-1:
			err = fmt.Errorf("sets entries up to %d aside", link.Repair.Aside)
		case link.Repair != nil && link.Repair.Kept < c.last.Seq:
			*c = Chain{log: c.log, aside: append(c.aside, *link.Repair)}
			return ErrRewound
		case damage != nil && link.Repair != nil && link.Repair.Kept == c.last.Seq && prev == c.last.Hash:
			damage = nil
		case damage == nil && prev != c.last.Hash:
			err = fmt.Errorf("does not name the hash of entry %d", c.last.Seq)
		case damage == nil && link.Token != 0 && link.Token < c.token:
			err = fmt.Errorf("carries the token %d after the token %d", link.Token, c.token)
		}
		if damage == nil && err != nil {
			damage = fmt.Errorf("%w: entry %d: %w", ErrCorrupt, end, err)
		}
		if damage != nil {
			continue // a later repair may set this aside
		}
		if err := fold(link); err != nil {
			return err
		}
		c.last, c.end, c.token = link, end, max(c.token, link.Token)
	}
	c.end, c.damage = end, damage
	return damage
}

func (c *Chain) isAside(seq uint64) bool {
	return slices.ContainsFunc(c.aside, func(r Repair) bool { return r.Kept < seq && seq <= r.Aside })
}

// admit returns [ErrFenced] if the token is below the highest that was read.
func (c *Chain) admit(token uint64) error {
	if token != 0 && token < c.token {
		return fmt.Errorf("%w: token %d, latest %d", ErrFenced, token, c.token)
	}
	return nil
}

// Append appends a body, which is a JSON value, with the token of the caller's lease, 0 for
// none. If another process appended an entry that the chain has not read, Append reports
// false and appends nothing: the caller catches up and decides anew. Append does not call the
// fold of CatchUp. A token below the highest that was read is [ErrFenced]. After any other
// error the next CatchUp tells whether the entry is there.
func (c *Chain) Append(ctx context.Context, token uint64, body []byte) (Link, bool, error) {
	if c.damage != nil {
		return Link{}, false, c.damage
	}
	if err := c.admit(token); err != nil {
		return Link{}, false, err
	}
	return c.append(ctx, wireLink{Seq: c.last.Seq + 1, Prev: c.last.Hash, Token: token, Body: body})
}

// RepairLog makes a log with a damaged [Chain] usable again: it appends an entry that names
// the entries that could not be verified and follows the last one that could. The entries
// that RepairLog sets aside remain in the log, and every Chain passes over them. The repair
// records actor and reason. A log with an undamaged chain is left alone, and the Repair is
// zero.
func RepairLog(ctx context.Context, log Log, actor, reason string, now time.Time) (Repair, error) {
	c := NewChain(log)
	for {
		err := c.CatchUp(ctx, func(Link) error { return nil })
		if errors.Is(err, ErrRewound) {
			continue
		}
		if c.damage == nil {
			return Repair{}, err // also if the log itself reports damage
		}
		r := Repair{Kept: c.last.Seq, Aside: c.end, Damage: err.Error(), Actor: actor, Reason: reason, Time: now.UTC()}
		_, done, err := c.append(ctx, wireLink{Seq: c.end + 1, Prev: c.last.Hash, Token: c.token, Repair: &r, Body: json.RawMessage("null")})
		if err != nil || done {
			return r, err
		}
	}
}

func (c *Chain) append(ctx context.Context, w wireLink) (Link, bool, error) {
	w.Nonce = rand.Text()
	entry, err := sealLink(w)
	if err != nil {
		return Link{}, false, err
	}
	if len(entry) > MaxEntry {
		return Link{}, false, fmt.Errorf("registry: entry %d has %d bytes, want at most %d", w.Seq, len(entry), MaxEntry)
	}
	done, err := c.log.Append(ctx, w.Seq, entry)
	if err != nil {
		return Link{}, false, err
	}
	if !done {
		if done, err = c.stored(ctx, w.Seq, entry); err != nil || !done {
			return Link{}, false, err
		}
	}
	link, _, err := openLink(entry)
	if err != nil {
		return Link{}, false, err
	}
	c.last, c.end, c.token, c.damage = link, link.Seq, max(c.token, link.Token), nil
	return link, true, nil
}

// stored reports whether the entry with the number seq is this one: a store that repeats
// requests may meet its own entry. As long as that entry cannot be read, the answer is
// unknown.
func (c *Chain) stored(ctx context.Context, seq uint64, entry []byte) (bool, error) {
	for found, err := range c.log.Read(ctx, seq-1) {
		return bytes.Equal(found, entry), err
	}
	return false, fmt.Errorf("registry: entry %d exists but cannot be seen yet", seq)
}

// sealLink returns the bytes of an entry.
func sealLink(w wireLink) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		return nil, fmt.Errorf("registry: entry %d: %w", w.Seq, err)
	}
	content := bytes.TrimSuffix(b.Bytes(), []byte("}\n"))
	return fmt.Appendf(content, sealFormat, sha256.Sum256(content)), nil
}

// openLink verifies a single entry and returns it with the hash of the entry before it.
func openLink(entry []byte) (link Link, prev string, err error) {
	n := len(entry) - sealLength
	if len(entry) == 0 {
		return Link{}, "", errors.New("is lost")
	}
	if n < 0 {
		return Link{}, "", fmt.Errorf("has %d bytes, which is too short", len(entry))
	}
	sum := sha256.Sum256(entry[:n])
	if !bytes.Equal(entry[n:], fmt.Appendf(nil, sealFormat, sum)) {
		return Link{}, "", errors.New("does not match the SHA-256 at its end")
	}
	// The body comes last, is most of the entry, and is left to the consumer to parse. Within
	// a string its name would be escaped, so the body begins where the name is first found.
	head, body, ok := bytes.Cut(entry[:n:n], []byte(`,"body":`))
	if !ok {
		return Link{}, "", errors.New("has no body")
	}
	var w wireLink
	dec := json.NewDecoder(io.MultiReader(bytes.NewReader(head), strings.NewReader("}")))
	dec.DisallowUnknownFields() // an unknown field may change the meaning of the known ones
	if err := dec.Decode(&w); err != nil {
		return Link{}, "", err
	}
	return Link{Seq: w.Seq, Hash: hex.EncodeToString(sum[:]), Token: w.Token, Body: body, Repair: w.Repair}, w.Prev, nil
}
