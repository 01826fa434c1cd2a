package registry

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// folder is an artifact that is a folder.
type folder struct{ artifact *Artifact }

var _ fs.ReadDirFS = folder{}

// Open implements [fs.FS].
func (d folder) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	a := d.artifact
	for _, f := range a.version.Files {
		if p, ok := pathInFolder(f.Name); ok && p == name {
			content, err := a.registry.Open(a.ctx, a.version.ID, f.Name)
			if err != nil {
				return nil, &fs.PathError{Op: "open", Path: name, Err: err}
			}
			return &folderFile{a, f, content}, nil
		}
	}
	entries, err := d.ReadDir(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.Unwrap(err)}
	}
	return &folderDir{folderInfo{name: path.Base(name), dir: true, time: a.version.Created}, entries}, nil
}

// ReadDir implements [fs.ReadDirFS].
func (d folder) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	var entries []fs.DirEntry
	for _, f := range d.artifact.version.Files {
		rest, ok := pathInFolder(f.Name)
		if ok && name != "." {
			rest, ok = strings.CutPrefix(rest, name+"/")
		}
		if !ok {
			continue
		}
		info := folderInfo{name: rest, size: f.Size, time: d.artifact.version.Created}
		if dir, _, deeper := strings.Cut(rest, "/"); deeper {
			info.name, info.size, info.dir = dir, 0, true
		}
		entries = append(entries, info)
	}
	if len(entries) == 0 {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	byName := func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) }
	slices.SortFunc(entries, byName)
	return slices.CompactFunc(entries, func(a, b fs.DirEntry) bool { return a.Name() == b.Name() }), nil
}

// folderFile is an open file of a folder.
type folderFile struct {
	artifact *Artifact
	file     File
	io.ReadCloser
}

func (f *folderFile) Stat() (fs.FileInfo, error) {
	return folderInfo{name: path.Base(f.file.Name), size: f.file.Size, time: f.artifact.version.Created}, nil
}

// Read marks the file as verified at its end.
func (f *folderFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err == io.EOF {
		f.artifact.mu.Lock()
		f.artifact.verified[f.file.Name] = true
		f.artifact.mu.Unlock()
	}
	return n, err
}

// folderDir is an open folder in a folder.
type folderDir struct {
	folderInfo
	entries []fs.DirEntry // that were not read yet
}

func (d *folderDir) Stat() (fs.FileInfo, error) { return d.folderInfo, nil }
func (d *folderDir) Close() error               { return nil }

func (d *folderDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("is a directory")}
}

// ReadDir implements [fs.ReadDirFile].
func (d *folderDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.entries)
	} else if len(d.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.entries))
	entries := d.entries[:n:n]
	d.entries = d.entries[n:]
	return entries, nil
}

// folderInfo describes a file or a folder in a folder.
type folderInfo struct {
	name string
	size int64
	dir  bool
	time time.Time
}

func (i folderInfo) Name() string               { return i.name }
func (i folderInfo) Size() int64                { return i.size }
func (i folderInfo) ModTime() time.Time         { return i.time }
func (i folderInfo) IsDir() bool                { return i.dir }
func (i folderInfo) Sys() any                   { return nil }
func (i folderInfo) Type() fs.FileMode          { return i.Mode().Type() }
func (i folderInfo) Info() (fs.FileInfo, error) { return i, nil }
func (i folderInfo) String() string             { return fs.FormatFileInfo(i) }

func (i folderInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o500
	}
	return 0o400
}
