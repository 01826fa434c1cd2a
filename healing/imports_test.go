package healing_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module   = "github.com/selfheal-ml/selfheal"
	looptest = "healing/looptest"
	osfile   = "predictlog/appendfile/osfile"
)

// arrows says which of our packages each one may import, those below it included. Tests of
// all of them may import looptest in addition: it drives a whole loop on what they test.
// Every package may import osfile, which does what package os lacks.
var arrows = map[string][]string{
	"predictlog": nil,
	"drift":      nil,
	"registry":   nil,
	"labels":     {"predictlog"},
	"gate":       {"predictlog", "labels"},
	"healing":    {"predictlog", "labels", "drift", "gate", "registry"},
	"examples":   {"predictlog", "labels", "drift", "gate", "registry", "healing"},
	".":          {"predictlog", "labels", "drift", "gate", "registry", "healing"},
}

var (
	// production lists the modules that the library itself may import.
	production = []string{
		"gonum.org/v1/gonum",
		"github.com/go-playground/validator/v10",
		"golang.org/x/exp",
	}
	// testingOnly lists what its tests may import in addition.
	testingOnly = []string{
		"github.com/stretchr/testify",
		"github.com/leanovate/gopter",
	}
)

// TestImports holds the dependency rule: the library imports the standard library and
// three modules, its packages import each other in one direction only, and the
// conformance kits burden nobody with a test framework.
func TestImports(t *testing.T) {
	root := ".."
	checked := 0
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != root && (strings.HasPrefix(entry.Name(), ".") || nested(name)) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			checked++
			if why := forbidden(filepath.ToSlash(rel), imported); why != "" {
				t.Errorf("%s imports %s: %s", rel, imported, why)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, checked, 100, "the walk found the sources")
}

// nested reports whether a folder is a module of its own, with rules of its own.
func nested(dir string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, "go.mod"))
	return len(found) > 0
}

// forbidden says why the file may not import the path, "" if it may.
func forbidden(file, imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	isTest := strings.HasSuffix(file, "_test.go")
	ours, isOurs := strings.CutPrefix(imported, module+"/")
	switch {
	case isOurs:
		from, _, deep := strings.Cut(file, "/")
		if !deep {
			from = "."
		}
		to, _, _ := strings.Cut(ours, "/")
		if from != to && ours != osfile && !slices.Contains(arrows[from], to) && (ours != looptest || !isTest) {
			return from + " may import only " + strings.Join(arrows[from], ", ")
		}
	case !strings.Contains(first, "."): // the standard library
	case slices.ContainsFunc(production, func(m string) bool { return under(imported, m) }):
	case isTest && slices.ContainsFunc(testingOnly, func(m string) bool { return under(imported, m) }):
	default:
		return "not among the modules that the library depends on"
	}
	return ""
}

func under(imported, module string) bool {
	return imported == module || strings.HasPrefix(imported, module+"/")
}

// TestForbidden checks the rule itself.
func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		ok             bool
	}{
		{"predictlog/store.go", "context", true},
		{"predictlog/store.go", module + "/labels", false},
		{"predictlog/csvlog/csvlog.go", module + "/predictlog", true},
		{"labels/join.go", module + "/predictlog", true},
		{"gate/gate.go", module + "/registry", false},
		{"drift/ks.go", module + "/predictlog", false},
		{"drift/ks.go", "gonum.org/v1/gonum/stat/distuv", true},
		{"drift/ks.go", "gonum.org/v1/gonumx", false},
		{"drift/ks.go", "github.com/stretchr/testify/require", false},
		{"drift/ks_test.go", "github.com/stretchr/testify/require", true},
		{"healing/loop.go", "github.com/jackc/pgx/v5", false},
		{"registry/mlflowregistry/loop_test.go", module + "/" + looptest, true},
		{"registry/mlflowregistry/loop_test.go", module + "/healing", false},
		{"registry/mlflowregistry/registry.go", module + "/" + looptest, false},
		{"doc.go", module + "/healing", true},
		{"registry/fileregistry/disk.go", module + "/" + osfile, true},
		{"registry/fileregistry/disk.go", module + "/predictlog/appendfile", false},
	} {
		require.Equal(t, c.ok, forbidden(c.file, c.imported) == "", "%s imports %s", c.file, c.imported)
	}
}
