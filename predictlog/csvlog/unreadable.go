package csvlog

import "fmt"

// The most unreadable rows of a file that a Scan passes over, as damage leaves them. More
// than both bounds means a mistake, such as an edited column or a class that the target
// lacks, and the rest would be a biased part of the data.
const (
	mostUnreadable      = 10
	mostUnreadableShare = 0.01
)

// Unreadable describes the rows of a file that a Scan could not read and passed over. They
// remain in the file.
type Unreadable struct {
	Path string // the file
	Rows int    // how many the Scan met; its query may have spared it others
	Line int    // where the first of them begins, from 1
	Err  error  // what is wrong with that one: names file, line, column and what was expected
}

// add counts a row.
func (u *Unreadable) add(line int, err error) {
	if u.Rows == 0 {
		u.Line, u.Err = line, fmt.Errorf("%s:%d: %w", u.Path, line, err)
	}
	u.Rows++
}

// check returns an error if too many of the rows of the file cannot be read.
func (u *Unreadable) check(rows int) error {
	if u.Rows <= mostUnreadable || float64(u.Rows) <= mostUnreadableShare*float64(rows) {
		return nil
	}
	return fmt.Errorf("%w: %d of %d rows cannot be read, which is more than damage leaves", u.Err, u.Rows, rows)
}

// report tells the host of unreadable rows that are new.
func (s *Store) report(u Unreadable) {
	s.mu.Lock()
	news := u.Rows > s.reported[u.Path]
	if news {
		s.reported[u.Path] = u.Rows
	}
	s.mu.Unlock()
	if !news {
		return
	}
	if s.cfg.Logger != nil {
		s.cfg.Logger.Warn("csvlog: unreadable rows passed over", "path", u.Path, "rows", u.Rows, "first", u.Err)
	}
	if s.cfg.OnUnreadable != nil {
		s.cfg.OnUnreadable(u)
	}
}
