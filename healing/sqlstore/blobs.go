package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// blobs implements [registry.Blobs].
type blobs struct {
	db    *DB
	space string
}

// Blobs returns the contents kept under this name, 1 to 200 bytes of UTF-8 without NUL. A
// name need not be created. Names that begin with "registry/" belong to [DB.Registry].
//
// A content is stored, and deleted, in portions of 1 MiB, each in a transaction of its own,
// so neither a slow source nor a slow reader keeps a connection or a lock. A content that a
// process left unfinished when it died is listed with a size of 0.
func (db *DB) Blobs(name string) registry.Blobs { return &blobs{db: db, space: name} }

const (
	chunkBytes = 1 << 20
	// deleteChunks is the largest number of portions that a transaction removes.
	deleteChunks = 32
	// cleanupTimeout bounds the removal of the portions of a failed Put.
	cleanupTimeout = 10 * time.Second
)

// Put implements [registry.Blobs]. A name that is taken is an error.
func (b *blobs) Put(ctx context.Context, name string, content io.Reader) error {
	if err := b.put(ctx, name, content); err != nil {
		return fmt.Errorf("sqlstore: blobs %q: put %q: %w", b.space, name, err)
	}
	return nil
}

func (b *blobs) put(ctx context.Context, name string, content io.Reader) (err error) {
	if err := errors.Join(checkName("name", b.space), checkName("name", name)); err != nil {
		return err
	}
	if err := b.begin(ctx, name); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
			defer cancel()
			err = errors.Join(err, b.delete(cleanup, name))
		}
	}()
	var (
		size int64
		buf  = make([]byte, chunkBytes)
	)
	for i, done := 0, false; !done; i++ {
		n, err := io.ReadFull(content, buf)
		done = err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !done {
			return err
		}
		if size += int64(n); n == 0 {
			continue
		}
		err = b.db.update(ctx, func(ctx context.Context, c conn) error {
			// The statement locks the row, so that a Delete takes this portion too.
			if err := b.unfinished(ctx, c, name, `at = #now`); err != nil {
				return err
			}
			_, err := b.db.exec(ctx, c, `INSERT INTO {chunk} (space, name, i, data) VALUES ($1, $2, $3, $4)`,
				b.space, name, i, buf[:n])
			return err
		})
		if err != nil {
			return err
		}
	}
	return b.db.update(ctx, func(ctx context.Context, c conn) error {
		return b.unfinished(ctx, c, name, `at = #now, size = $3`, size)
	})
}

// unfinished changes the row of a content that is being stored.
func (b *blobs) unfinished(ctx context.Context, c conn, name, set string, args ...any) error {
	rows, err := b.db.exec(ctx, c, `UPDATE {blob} SET `+set+` WHERE space = $1 AND name = $2 AND size IS NULL`,
		append([]any{b.space, name}, args...)...)
	if err == nil && rows == 0 {
		err = errors.New("it was deleted meanwhile")
	}
	return err
}

// begin takes the name. Get does not find the name before the content has a size.
func (b *blobs) begin(ctx context.Context, name string) error {
	return b.db.update(ctx, func(ctx context.Context, c conn) error {
		rows, err := b.db.exec(ctx, c, `INSERT INTO {blob} (space, name, at) VALUES ($1, $2, #now)
			ON CONFLICT (space, name) DO NOTHING`, b.space, name)
		if err == nil && rows == 0 {
			err = errors.New("the name is taken")
		}
		return err
	})
}

// Get implements [registry.Blobs]. Each portion is read when the reader needs it, with the
// ctx of Get, and no connection is held in between.
func (b *blobs) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	size, err := b.size(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: blobs %q: get %q: %w", b.space, name, err)
	}
	return &blobReader{blobs: b, ctx: ctx, name: name, left: size}, nil
}

func (b *blobs) size(ctx context.Context, name string) (size int64, err error) {
	if checkName("name", name) != nil { // was never put
		return 0, errors.Join(registry.ErrNotFound, ctx.Err())
	}
	err = b.db.view(ctx, func(ctx context.Context, c conn) error {
		return c.QueryRowContext(ctx, b.db.text(`SELECT size FROM {blob}
			WHERE space = $1 AND name = $2 AND size >= 0`), b.space, name).Scan(&size)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	return size, err
}

// Delete implements [registry.Blobs].
func (b *blobs) Delete(ctx context.Context, name string) error {
	if checkName("name", name) != nil { // was never put
		return ctx.Err()
	}
	if err := b.delete(ctx, name); err != nil {
		return fmt.Errorf("sqlstore: blobs %q: delete %q: %w", b.space, name, err)
	}
	return nil
}

// delete first takes the content away from Get and Put, and then removes its portions. The
// row of the content goes last, so that List still shows a content whose deletion a dying
// process left unfinished.
func (b *blobs) delete(ctx context.Context, name string) error {
	err := b.db.update(ctx, func(ctx context.Context, c conn) error {
		_, err := b.db.exec(ctx, c, `UPDATE {blob} SET size = -1 WHERE space = $1 AND name = $2`, b.space, name)
		return err
	})
	if err != nil {
		return err
	}
	err = b.db.prune(ctx, `DELETE FROM {chunk} WHERE space = $1 AND name = $2 AND i`,
		`SELECT i FROM {chunk} WHERE space = $1 AND name = $2`, deleteChunks, b.space, name)
	if err != nil {
		return err
	}
	return b.db.update(ctx, func(ctx context.Context, c conn) error {
		_, err := b.db.exec(ctx, c, `DELETE FROM {blob} WHERE space = $1 AND name = $2 AND size < 0`, b.space, name)
		return err
	})
}

// List implements [registry.Blobs]. It yields contents in the order of their names.
func (b *blobs) List(ctx context.Context) iter.Seq2[registry.Blob, error] {
	return func(yield func(registry.Blob, error) bool) {
		for after := ""; ; {
			page, err := b.page(ctx, after)
			if err != nil {
				yield(registry.Blob{}, fmt.Errorf("sqlstore: blobs %q: list: %w", b.space, err))
				return
			}
			if len(page) == 0 {
				return
			}
			for _, blob := range page {
				if !yield(blob, nil) {
					return
				}
				after = blob.Name
			}
		}
	}
}

func (b *blobs) page(ctx context.Context, after string) (page []registry.Blob, err error) {
	err = b.db.view(ctx, func(ctx context.Context, c conn) error {
		page = nil
		return b.db.query(ctx, c, func(rows *sql.Rows) error {
			var (
				blob registry.Blob
				at   int64
			)
			err := rows.Scan(&blob.Name, &blob.Size, &at)
			blob.Time = timeOf(at)
			page = append(page, blob)
			return err
		}, `SELECT name, CASE WHEN size > 0 THEN size ELSE 0 END, at FROM {blob} WHERE space = $1 AND name > $2
			ORDER BY name LIMIT $3`, b.space, after, pageRows)
	})
	return page, err
}

// blobReader reads a blob portion by portion.
type blobReader struct {
	blobs *blobs
	ctx   context.Context // of Get, as a Reader takes none
	name  string
	i     int    // the next portion
	chunk []byte // what is left of the one before
	left  int64  // what is left of the blob, chunk included
	err   error  // nil until the blob ends
}

// Read implements [io.Reader].
func (r *blobReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.chunk) == 0 && r.err == nil {
		r.chunk, r.err = r.next()
	}
	if r.err != nil {
		return 0, r.err
	}
	n := copy(p, r.chunk)
	r.chunk, r.left = r.chunk[n:], r.left-int64(n)
	return n, nil
}

// next returns the next portion, io.EOF after the last.
func (r *blobReader) next() (chunk []byte, err error) {
	if r.left == 0 {
		return nil, io.EOF
	}
	b := r.blobs
	err = b.db.view(r.ctx, func(ctx context.Context, c conn) error {
		return c.QueryRowContext(ctx, b.db.text(`SELECT data FROM {chunk} WHERE space = $1 AND name = $2 AND i = $3`),
			b.space, r.name, r.i).Scan(&chunk)
	})
	if errors.Is(err, sql.ErrNoRows) {
		if _, err = b.size(r.ctx, r.name); err == nil { // it was not deleted
			err = fmt.Errorf("%w: portion %d is missing", registry.ErrCorrupt, r.i)
		}
	}
	if err == nil && (len(chunk) == 0 || int64(len(chunk)) > r.left) {
		err = fmt.Errorf("%w: portion %d has %d bytes, %d are left", registry.ErrCorrupt, r.i, len(chunk), r.left)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlstore: blobs %q: read %q: %w", b.space, r.name, err)
	}
	r.i++
	return chunk, nil
}

// Close implements [io.Closer].
func (r *blobReader) Close() error {
	r.chunk, r.err = nil, errors.New("sqlstore: read of a closed blob")
	return nil
}
