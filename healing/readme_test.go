package healing_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme holds the README to the examples that compile and run.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	files := []string{"example_service_test.go", "example_decision_test.go", "sqlstore/example_test.go"}
	require.Len(t, blocks, len(files), "an example for each block")
	for i, file := range files {
		example, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, flush(string(example)), flush(string(blocks[i][1])), file)
	}
	decision, err := os.ReadFile(files[1])
	require.NoError(t, err)
	said := regexp.MustCompile(`fmt\.Println\(decision\) // (.*)`).FindSubmatch(blocks[1][1])
	require.NotNil(t, said, "what the decision says")
	require.Contains(t, string(decision), "// Output: "+string(said[1])+"\n")
}

// flush removes the indentation, which a block of a function's inside does not have.
func flush(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, "\t")
	}
	return strings.Join(lines, "\n")
}

// documents are the pages for people, below the root of the module.
var documents = []string{
	"README.md", "CHANGELOG.md", ".github/CONTRIBUTING.md", ".github/ARCHITECTURE.md",
	"drift/FIGURES.md", "gate/FIGURES.md", "healing/FIGURES.md", "healing/OPERATIONS.md",
}

// TestDocs checks that each file, package and exported name exists that a document names in
// backquotes or links to.
func TestDocs(t *testing.T) {
	t.Parallel()
	quoted := regexp.MustCompile("`([^`\n]+)`|\\]\\(([^)#:]+)\\)")
	api := readListings(t, "testdata/api")
	for _, document := range documents {
		data, err := os.ReadFile(filepath.Join("..", document))
		require.NoError(t, err)
		text := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(string(data), "")
		for _, match := range quoted.FindAllStringSubmatch(text, -1) {
			if link := match[2]; link != "" {
				require.FileExists(t, filepath.Join("..", path.Dir(document), link), document)
				continue
			}
			if why := unknown(match[1], api); why != "" {
				t.Errorf("%s names `%s`: %s", document, match[1], why)
			}
		}
	}
	doc, err := os.ReadFile("../doc.go")
	require.NoError(t, err)
	for _, word := range regexp.MustCompile(`[\w./]+\w`).FindAllString(string(doc), -1) {
		if why := unknown(word, api); why != "" {
			t.Errorf("doc.go names %s: %s", word, why)
		}
	}
}

// exportedName is an exported name with its package: the package, or its path; the name; and
// the field or method of the name, if there is one.
var exportedName = regexp.MustCompile(`^([\w/]+)\.([A-Z]\w*)(?:\.([A-Z]\w*))?(?:\(\))?$`)

// unknown says why a word that looks like a file, a package or an exported name of ours is
// none. It is "" for a word that looks like none of them.
func unknown(word string, api map[string][]string) string {
	first, rest, _ := strings.Cut(word, "/")
	_, ours := arrows[first]
	named := exportedName.FindStringSubmatch(word)
	if rest != "" && (ours || first == ".ci" || first == ".github") && !strings.Contains(word, " ") {
		if _, err := os.Stat(filepath.Join("..", word)); err == nil {
			return ""
		}
		if named == nil {
			return "no such file or folder"
		}
	}
	if named == nil {
		return ""
	}
	for name, lines := range api {
		if name != named[1] && path.Base(name) != named[1] {
			continue
		}
		ours = true
		if slices.ContainsFunc(lines, func(line string) bool { return declares(line, named[2], named[3]) }) {
			return ""
		}
	}
	if ours {
		return "no such exported name"
	}
	return ""
}

// declares reports whether a line of a listing declares the name or, if there is one, the
// field or method of the type with this name.
func declares(line, name, member string) bool {
	kind, line, _ := strings.Cut(line, " ")
	if member == "" {
		after, found := strings.CutPrefix(line, name)
		return found && kind != "field" && kind != "method" && strings.IndexAny(after+" ", " ([") == 0
	}
	switch kind {
	case "field":
		return strings.HasPrefix(line, name+"."+member+" ")
	case "method":
		return strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "("), "*"), name+") "+member+"(")
	}
	return false
}

// TestDocs_Commands checks that each command that a document gives, or that CI runs, finds
// tests: go test passes where none has the name that it is given.
func TestDocs_Commands(t *testing.T) {
	t.Parallel()
	command := regexp.MustCompile("go test [^`\n]*")
	names := regexp.MustCompile(`-(?:run|bench|fuzz) '?\^?([A-Z][\w|]*)`)
	folders := regexp.MustCompile(` \./([\w/]*\w)(/\.\.\.)?`)
	checked := 0
	for _, document := range append([]string{".ci/run"}, documents...) {
		data, err := os.ReadFile(filepath.Join("..", document))
		require.NoError(t, err)
		for _, line := range command.FindAllString(string(data), -1) {
			found, folder := names.FindStringSubmatch(line), folders.FindStringSubmatch(line)
			if found == nil || folder == nil {
				continue
			}
			tests := testsOf(t, filepath.Join("..", folder[1]), folder[2] != "")
			for _, name := range strings.Split(found[1], "|") {
				checked++
				require.Contains(t, tests, name, "%s: %s", document, line)
			}
		}
	}
	require.Greater(t, checked, 10)
}

// testsOf returns the lines with which the tests of a folder begin, and those of the folders
// below it if deep is set.
func testsOf(t *testing.T, folder string, deep bool) string {
	t.Helper()
	var tests []string
	require.NoError(t, filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && file != folder && !deep {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		data, err := os.ReadFile(file)
		tests = append(tests, regexp.MustCompile(`(?m)^func (Test|Benchmark|Fuzz)\w+`).FindAllString(string(data), -1)...)
		return err
	}))
	return strings.Join(tests, "\n")
}

// TestUnknown checks the rule itself.
func TestUnknown(t *testing.T) {
	t.Parallel()
	api := readListings(t, "testdata/api")
	for word, ok := range map[string]bool{
		"predictlog/store.go":        true,
		"predictlog/nothing.go":      false,
		"predictlog/csvlog":          true,
		"predictlog/nothing":         false,
		".ci/run":                    true,
		".ci/nothing":                false,
		"predictlog.Store":           true,
		"predictlog.Nothing":         false,
		"predictlog.Stor":            false,
		"predictlog.Recorder.Run":    true,
		"predictlog.Recorder.Walk":   false,
		"predictlog.Record.ID":       true,
		"predictlog.NewRecorder":     true,
		"gate.Standard()":            true,
		"gate.Nothing()":             false,
		"fileregistry.OpenLog":       true,
		"registry/registrytest.Run":  true,
		"registry/registrytest.Walk": false,
		"nothing/registrytest.Run":   true, // not ours
		"go test ./...":              true,
		"*sql.DB":                    true,
	} {
		require.Equal(t, ok, unknown(word, api) == "", word)
	}
}
