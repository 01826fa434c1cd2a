package appendfile_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/selfheal-ml/selfheal/predictlog/appendfile"
)

// A counter that goroutines and processes share: each line is one more.
func ExampleFile_Update() {
	dir, err := os.MkdirTemp("", "appendfile")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	f, err := appendfile.Open(filepath.Join(dir, "count"), appendfile.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()

	count := 0
	observe := func(p []byte, _ int64) error {
		count += bytes.Count(p, []byte{'\n'})
		return nil
	}
	for range 3 {
		err := f.Update(context.Background(), observe, func(int64) ([]byte, error) {
			return fmt.Appendf(nil, "number %d\n", count+1), nil
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("count is", count)
	// Output: count is 3
}

func ExampleSnapshot() {
	dir, err := os.MkdirTemp("", "appendfile")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "lines")
	if err := os.WriteFile(path, []byte("one\ntwo\nthr"), 0o644); err != nil {
		fmt.Println(err)
		return
	}

	r, size, err := appendfile.Snapshot(context.Background(), path, appendfile.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	whole, err := io.ReadAll(r)
	fmt.Printf("%d bytes: %q %v\n", size, whole, err)
	// Output: 8 bytes: "one\ntwo\n" <nil>
}
