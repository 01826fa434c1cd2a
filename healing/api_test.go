package healing_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/constant"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateAPI = flag.Bool("update-api", false, "write the exported API to testdata/api")

// TestAPI compares the exported API of each package of the module with the listing in
// testdata/api, so that no change of the API goes unseen. A listing has one line for each
// constant, variable, function, type, field and method.
//
// The test reads what the compiler exports. It needs the go command and no network.
func TestAPI(t *testing.T) {
	checkAPI(t, "..", "testdata/api", "go test ./healing -run TestAPI -update-api")
}

// TestAPI_BlobRegistry does the same for the adapter that is a module of its own. It runs in
// CI, where the modules that the adapter needs are at hand.
func TestAPI_BlobRegistry(t *testing.T) {
	if os.Getenv("SELFHEAL_CI") == "" {
		t.Skip("runs with SELFHEAL_CI=1")
	}
	checkAPI(t, "../registry/blobregistry", "testdata/api_blobregistry",
		"SELFHEAL_CI=1 go test ./healing -run TestAPI_BlobRegistry -update-api")
}

// checkAPI compares the exported API of the module below root with the listings in the
// folder. The command writes the listings.
func checkAPI(t *testing.T, root, folder, command string) {
	t.Helper()
	want, have := readListings(t, folder), listings(t, root)
	require.NotEmpty(t, have)
	if *updateAPI {
		require.NoError(t, os.RemoveAll(folder))
		for name, lines := range have {
			file := filepath.Join(folder, filepath.FromSlash(name)+".txt")
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
		}
		return
	}
	if diff := changes(want, have); diff != "" {
		t.Errorf("the exported API is not the one that healing/%s lists:\n%s"+
			"If the change is meant, say in CHANGELOG.md what it means for a user, and accept it:\n\t%s",
			folder, diff, command)
	}
}

// changes shows the lines that only one of two sets of listings has, by package: "-" for a
// line of before, "+" for a line of after. It is "" if the listings are the same.
func changes(before, after map[string][]string) string {
	names := slices.Collect(maps.Keys(before))
	names = slices.AppendSeq(names, maps.Keys(after))
	slices.Sort(names)
	var text strings.Builder
	for _, name := range slices.Compact(names) {
		var lines []string
		for _, line := range before[name] {
			if _, found := slices.BinarySearch(after[name], line); !found {
				lines = append(lines, line+"\x00-")
			}
		}
		for _, line := range after[name] {
			if _, found := slices.BinarySearch(before[name], line); !found {
				lines = append(lines, line+"\x00+")
			}
		}
		if len(lines) == 0 {
			continue
		}
		slices.Sort(lines)
		fmt.Fprintf(&text, "package %s\n", name)
		for _, line := range lines {
			line, sign, _ := strings.Cut(line, "\x00")
			fmt.Fprintf(&text, "  %s %s\n", sign, line)
		}
	}
	return text.String()
}

// readListings reads the listings below the folder, by the path of their package.
func readListings(t *testing.T, folder string) map[string][]string {
	t.Helper()
	read := make(map[string][]string)
	err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && file == folder {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(data), "\r\n", "\n")
		read[strings.TrimSuffix(filepath.ToSlash(name), ".txt")] = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		return nil
	})
	require.NoError(t, err)
	return read
}

// listings lists the exported API of each package that a host can import from the module in
// the folder, by the package's path below the module.
func listings(t *testing.T, root string) map[string][]string {
	t.Helper()
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Name,Export,DepOnly", "./...")
	command.Dir = root
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "%s", &stderr)

	export := make(map[string]string) // the file with the exported types, by import path
	var ours []string
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Name, Export string
			DepOnly                  bool
		}
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		export[p.ImportPath] = p.Export
		if !p.DepOnly && p.Name != "main" && !strings.Contains(p.ImportPath, "/internal/") {
			ours = append(ours, p.ImportPath)
		}
	}
	compiled := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(export[path])
	})
	found := make(map[string][]string)
	for _, path := range ours {
		p, err := compiled.Import(path)
		require.NoError(t, err)
		if lines := listing(p); len(lines) > 0 {
			found[strings.TrimPrefix(path, module+"/")] = lines
		}
	}
	return found
}

// listing lists the exported API of a package, sorted, each line once.
func listing(p *types.Package) []string {
	in := func(other *types.Package) string {
		if other == p {
			return ""
		}
		return other.Name()
	}
	var lines []string
	for _, name := range p.Scope().Names() {
		object := p.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		switch object := object.(type) {
		case *types.Const:
			lines = append(lines, fmt.Sprintf("const %s %s = %s", name, types.TypeString(object.Type(), in), value(object.Val())))
		case *types.TypeName:
			lines = append(lines, typeLines(object, in)...)
		default: // a variable or a function
			lines = append(lines, types.ObjectString(object, in))
		}
	}
	for i, line := range lines {
		lines[i] = unnamed.ReplaceAllString(line, "_") // as the source writes such results
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// unnamed is the compiler's name of a result that the source names "_".
var unnamed = regexp.MustCompile(`#rv\d+`)

// value writes a constant's value.
func value(v constant.Value) string {
	if v.Kind() == constant.Float {
		f, _ := constant.Float64Val(v)
		return fmt.Sprint(f)
	}
	return v.ExactString()
}

// typeLines lists a type with its fields and methods, the promoted ones included.
func typeLines(object *types.TypeName, in types.Qualifier) []string {
	name := object.Name()
	if object.IsAlias() {
		return []string{types.ObjectString(object, in)}
	}
	named := object.Type().(*types.Named)
	head := "type " + types.TypeString(named, in) // with its type parameters
	var lines []string
	switch under := named.Underlying().(type) {
	case *types.Struct:
		lines = append(lines, head+" struct")
		lines = append(lines, fieldLines("field "+name+".", under, in)...)
	case *types.Interface:
		lines = append(lines, head+" interface")
		for i := range under.NumEmbeddeds() {
			if !types.IsInterface(under.EmbeddedType(i)) {
				lines = append(lines, fmt.Sprintf("union %s: %s", name, types.TypeString(under.EmbeddedType(i), in)))
			}
		}
		for i := range under.NumMethods() {
			lines = append(lines, methodLine(name, under.Method(i), in))
		}
		return lines
	default:
		lines = append(lines, head+" "+types.TypeString(under, in))
	}
	byValue := types.NewMethodSet(named)
	all := types.NewMethodSet(types.NewPointer(named))
	for i := range all.Len() {
		method := all.At(i).Obj().(*types.Func)
		receiver := "*" + name
		if byValue.Lookup(method.Pkg(), method.Name()) != nil {
			receiver = name
		}
		if method.Exported() {
			lines = append(lines, methodLine(receiver, method, in))
		}
	}
	return lines
}

// fieldLines lists the exported fields of a struct, and those of the unexported types that
// it embeds.
func fieldLines(prefix string, s *types.Struct, in types.Qualifier) []string {
	var lines []string
	for i := range s.NumFields() {
		field := s.Field(i)
		embedded, isStruct := field.Type().Underlying().(*types.Struct)
		switch {
		case field.Exported():
			line := prefix + field.Name() + " " + types.TypeString(field.Type(), in)
			if field.Embedded() {
				line += " embedded"
			}
			if tag := s.Tag(i); tag != "" {
				line += " `" + tag + "`"
			}
			lines = append(lines, line)
		case field.Embedded() && isStruct:
			lines = append(lines, fieldLines(prefix, embedded, in)...)
		}
	}
	return lines
}

// methodLine lists a method. An unexported method of an interface is listed without its
// signature: it says that no other package can implement the interface.
func methodLine(receiver string, method *types.Func, in types.Qualifier) string {
	if !method.Exported() {
		return fmt.Sprintf("method (%s) unexported", receiver)
	}
	signature := strings.TrimPrefix(types.TypeString(method.Type(), in), "func")
	return fmt.Sprintf("method (%s) %s%s", receiver, method.Name(), signature)
}

// TestAPI_Changes checks what a changed API is reported as.
func TestAPI_Changes(t *testing.T) {
	before := map[string][]string{
		"drift":  {"func KS(a []float64) float64", "type Report struct"},
		"gate":   {"type Policy struct"},
		"labels": {"type Store interface"},
	}
	after := map[string][]string{
		"drift":      {"func KS(a []float64) (float64, error)", "type Report struct"},
		"drift/page": {"func HTML() string"},
		"labels":     {"type Store interface"},
	}
	require.Equal(t, `package drift
  + func KS(a []float64) (float64, error)
  - func KS(a []float64) float64
package drift/page
  + func HTML() string
package gate
  - type Policy struct
`, changes(before, after))
	require.Empty(t, changes(before, before))
}
