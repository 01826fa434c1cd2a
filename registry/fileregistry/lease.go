package fileregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile/osfile"
)

// Lease is a lease among the processes of one machine, which share a clock. It satisfies the
// interface of that name in package healing. The lease is a small file. A change replaces
// this file while another file, whose name ends in ".lock", is locked. A process that dies at
// any instruction leaves the lease unchanged or changed, and locks nobody out. All methods
// are safe for concurrent use.
type Lease struct {
	path string
	disk disk
}

// OpenLease opens the lease at path, in a folder that is made if it does not exist. Locks
// over NFS are not reliable.
func OpenLease(path string) (*Lease, error) {
	if path == "" {
		return nil, errors.New("fileregistry: path is empty")
	}
	l := &Lease{path: path}
	if err := l.disk.makeDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("fileregistry: open lease: %w", err)
	}
	return l, nil
}

// leased is the content of the file.
type leased struct {
	Holder string    `json:"holder"` // "" if the lease is free
	Token  uint64    `json:"token"`  // the last that was given out
	Until  time.Time `json:"until"`
}

// Acquire takes the lease for holder until ttl has passed, and returns a token above all
// earlier tokens, or 0 if another holder has the lease. A holder that asks again gets a new
// token.
func (l *Lease) Acquire(ctx context.Context, holder string, ttl time.Duration) (token uint64, err error) {
	if holder == "" {
		return 0, errors.New("fileregistry: acquire the lease: holder is empty")
	}
	err = l.change(ctx, func(s *leased) bool {
		now := time.Now()
		if s.Holder != "" && s.Holder != holder && now.Before(s.Until) {
			return false
		}
		*s = leased{Holder: holder, Token: s.Token + 1, Until: now.Add(ttl).UTC()}
		token = s.Token
		return true
	})
	if err != nil {
		return 0, err
	}
	return token, nil
}

// Renew makes the lease with this token last for another ttl and reports whether the holder
// still has the lease.
func (l *Lease) Renew(ctx context.Context, holder string, token uint64, ttl time.Duration) (held bool, err error) {
	err = l.change(ctx, func(s *leased) bool {
		held = s.Holder == holder && s.Token == token && holder != ""
		s.Until = time.Now().Add(ttl).UTC()
		return held
	})
	return held && err == nil, err
}

// Release gives the lease with this token back. To release a lost lease is no error and
// changes nothing.
func (l *Lease) Release(ctx context.Context, holder string, token uint64) error {
	return l.change(ctx, func(s *leased) bool {
		held := s.Holder == holder && s.Token == token
		s.Holder = ""
		return held
	})
}

// change shows decide the content of the file, and replaces the content if decide returns
// true.
func (l *Lease) change(ctx context.Context, decide func(*leased) bool) (err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("fileregistry: lease %s: %w", l.path, err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	lock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // which unlocks it

	var s leased
	data, err := os.ReadFile(l.path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // without the last token there can be no next
	}
	if !decide(&s) {
		return nil
	}
	if data, err = json.Marshal(s); err != nil {
		return err
	}
	temp := l.path + temporary
	if err := l.disk.remove(temp); err != nil { // of a process that died
		return err
	}
	if err := l.disk.write(ctx, temp, bytes.NewReader(append(data, '\n'))); err != nil {
		return err
	}
	if err := l.disk.rename(temp, l.path); err != nil {
		return err
	}
	return l.disk.syncDir(filepath.Dir(l.path))
}

// lock returns the locked lock file. Other processes hold the lock only for the time of a
// change.
func (l *Lease) lock(ctx context.Context) (*os.File, error) {
	f, err := os.OpenFile(l.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		held, err := osfile.TryLock(f, true)
		if err == nil && !held {
			err = ctx.Err()
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if held {
			return f, nil
		}
		time.Sleep(time.Millisecond)
	}
}
