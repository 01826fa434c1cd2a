package blobregistry

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"gocloud.dev/gcerrors"
)

// Lease is a lease among processes anywhere. It satisfies the interface of that name in
// package healing. All methods are safe for concurrent use.
//
// A token is the number of a claim: an object that only one process can write. Claims are
// never deleted: otherwise a process that was stopped while it wrote a claim could get an old
// token. A renewal writes an object and deletes the one before. A waiting process takes the
// lease when the holder was silent for its ttl. The process measures this by its own clock
// since it first saw the last sign, or by the clock of the store, which knows the age of that
// sign. So no two clocks are compared, and even a process that asks once notices that a
// holder died.
type Lease struct {
	b      *Bucket
	prefix string

	mu    sync.Mutex
	head  uint64    // the highest claim that was seen; guarded by mu
	seen  string    // the last signs of life of its holder that were seen; guarded by mu
	since time.Time // when they were first seen; guarded by mu
	token uint64    // the last that Acquire gave out; guarded by mu
	until time.Time // when it ends unless it is renewed; guarded by mu
}

// claim is the content of an object that takes the lease.
type claim struct {
	Holder string        `json:"holder"`
	Nonce  string        `json:"nonce"` // tells two claims of one holder apart
	TTL    time.Duration `json:"ttl"`   // nanoseconds

	written time.Time // by the clock of the store
}

const released = "released" // the name of the sign that ends a lease

func (l *Lease) claimKey(token uint64) string { return fmt.Sprintf("%sclaim/%020d", l.prefix, token) }
func (l *Lease) signs(token uint64) string    { return fmt.Sprintf("%ssign/%020d/", l.prefix, token) }

// Acquire takes the lease for holder until ttl has passed, and returns a token above all
// earlier tokens, or 0 if another holder has the lease. A holder that asks again gets a new
// token. After an error the holder may have the lease: it asks again.
func (l *Lease) Acquire(ctx context.Context, holder string, ttl time.Duration) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if holder == "" || ttl <= 0 {
		return 0, fmt.Errorf("blobregistry: acquire: holder is %q and ttl is %v, want a name and more than 0", holder, ttl)
	}
	began := time.Now()
	head, last, err := l.last(ctx)
	if err != nil {
		return 0, err
	}
	free, err := l.free(ctx, head, last, holder, began)
	if err != nil || !free {
		return 0, err
	}
	mine, err := json.Marshal(claim{Holder: holder, Nonce: rand.Text(), TTL: ttl})
	if err != nil {
		return 0, err
	}
	token, asked := head+1, time.Now()
	taken, err := l.b.create(ctx, l.claimKey(token), mine)
	if err == nil && !taken { // unless it met its own claim, whose answer was lost
		var found []byte
		found, err = l.b.get(ctx, l.claimKey(token))
		taken = bytes.Equal(found, mine)
	}
	if err != nil || !taken {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token, l.until = token, asked.Add(ttl)
	return token, nil
}

// Renew makes the lease with this token last for another ttl and reports whether the holder
// still has the lease. A Lease that gave the token out, and is called only after its ttl,
// reports false: another holder may be about to take the lease.
func (l *Lease) Renew(ctx context.Context, holder string, token uint64, ttl time.Duration) (bool, error) {
	asked := time.Now()
	if l.expired(token) {
		return false, ctx.Err()
	}
	own, err := l.claim(ctx, token)
	if err != nil || own.Holder != holder || ttl <= 0 {
		return false, err
	}
	before, err := l.b.list(ctx, l.signs(token))
	if err != nil {
		return false, err
	}
	for _, o := range before {
		if strings.HasSuffix(o.Key, released) {
			return false, nil
		}
	}
	if _, err := l.b.create(ctx, fmt.Sprintf("%s%d-%s", l.signs(token), ttl, rand.Text()), []byte(holder)); err != nil {
		return false, err
	}
	for _, o := range before {
		if err := l.b.delete(ctx, o.Key); err != nil {
			return false, err
		}
	}
	next, err := l.claim(ctx, token+1)
	if err != nil || next.Holder != "" || l.expired(token) {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == token {
		l.until = asked.Add(ttl)
	}
	return true, nil
}

// expired reports whether l gave this token out and its time is over.
func (l *Lease) expired(token uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.token == token && time.Now().After(l.until)
}

// Release gives the lease with this token back. To release a lost lease is no error and
// changes nothing.
func (l *Lease) Release(ctx context.Context, holder string, token uint64) error {
	own, err := l.claim(ctx, token)
	if err != nil || own.Holder != holder {
		return err
	}
	_, err = l.b.create(ctx, l.signs(token)+released, []byte(holder))
	return err
}

// claim returns the claim with this number, the zero claim if there is none.
func (l *Lease) claim(ctx context.Context, token uint64) (c claim, err error) {
	if err := ctx.Err(); err != nil { // not every driver looks
		return claim{}, err
	}
	r, err := l.b.bucket.NewReader(ctx, l.claimKey(token), nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return claim{}, nil
	}
	if err != nil {
		return claim{}, contextError(ctx, err)
	}
	content, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return claim{}, contextError(ctx, err)
	}
	if err = json.Unmarshal(content, &c); err == nil && c.Holder == "" {
		err = errors.New("names no holder")
	}
	if err != nil {
		return claim{}, fmt.Errorf("blobregistry: claim %d: %w", token, err)
	}
	c.written = r.ModTime()
	return c, nil
}

// last returns the highest claim and its number, 0 if there is none. It looks ahead in steps
// that double until it finds none, and then halves them: claims have no gaps.
func (l *Lease) last(ctx context.Context) (head uint64, c claim, err error) {
	l.mu.Lock()
	head = l.head
	l.mu.Unlock()
	if head > 0 {
		if c, err = l.claim(ctx, head); err != nil {
			return 0, c, err
		}
	}
	for step, grow := uint64(1), true; step > 0; {
		next, err := l.claim(ctx, head+step)
		if err != nil {
			return 0, c, err
		}
		if next.Holder != "" {
			head, c = head+step, next
		} else {
			grow = false
		}
		if grow {
			step *= 2
		} else {
			step /= 2
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = max(l.head, head)
	return head, c, nil
}

// free reports whether the lease of the highest claim is released, or belongs to the caller,
// or its holder was silent for too long. It deletes the remaining signs of former holders.
// began is when the caller began to look.
func (l *Lease) free(ctx context.Context, head uint64, c claim, holder string, began time.Time) (bool, error) {
	if head == 0 {
		claims, err := l.b.list(ctx, l.prefix+"claim/")
		switch {
		case err != nil:
			return false, err
		case len(claims) == 0:
			return true, nil
		case claims[0].Key == l.claimKey(1): // made since
			return false, nil
		}
		return false, fmt.Errorf("blobregistry: lease: the first claim was deleted, but not %s: tokens must not begin anew", claims[0].Key)
	}
	objects, err := l.b.list(ctx, l.prefix+"sign/")
	if err != nil {
		return false, err
	}
	signs := l.signs(head)
	seen, newest, ttl := signs, c.written, c.TTL
	for _, o := range objects {
		name, ok := strings.CutPrefix(o.Key, signs)
		switch {
		case !ok && o.Key < signs:
			if err := l.b.delete(ctx, o.Key); err != nil {
				return false, err
			}
			continue
		case !ok: // of a later claim, made since
			return false, nil
		case name == released:
			return true, nil
		}
		seen += "\n" + name
		lasts, _, _ := strings.Cut(name, "-")
		n, err := strconv.ParseInt(lasts, 10, 64)
		if err != nil {
			return false, fmt.Errorf("blobregistry: lease: %s: %w", o.Key, err)
		}
		ttl = max(ttl, time.Duration(n))
		if o.ModTime.After(newest) {
			newest = o.ModTime
		}
	}
	if c.Holder == holder {
		return true, nil
	}
	l.mu.Lock()
	same := l.seen == seen
	if !same {
		l.seen, l.since = seen, time.Now()
	}
	silent := began.Sub(l.since)
	l.mu.Unlock()
	if same {
		return silent >= ttl, nil
	}
	now, err := l.now(ctx)
	return err == nil && now.Sub(newest) > ttl+resolution, err
}

// resolution is the largest error of the difference of two times of a store that counts in
// seconds.
const resolution = 2 * time.Second

// now returns the present by the clock of the store.
func (l *Lease) now(ctx context.Context) (time.Time, error) {
	key := scratch + rand.Text()
	if _, err := l.b.create(ctx, key, []byte("now")); err != nil {
		return time.Time{}, err
	}
	a, err := l.b.bucket.Attributes(ctx, key)
	if err != nil {
		return time.Time{}, contextError(ctx, err)
	}
	return a.ModTime, l.b.delete(ctx, key)
}
