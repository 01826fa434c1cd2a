package drift

import (
	"fmt"
	"slices"
	"strings"
)

// methods lists the methods of values first. The first that fits a column is the default.
var methods = []*method{
	&ksMethod,
	&chiSquareMethod,
	&wassersteinMethod,
	&psiMethod,
	&jensenShannonMethod,
	&hellingerMethod,
	&gMethod,
	&kuiperMethod,
	&missingMethod,
	&infiniteMethod,
	&unseenMethod,
	&outOfRangeMethod,
}

// Methods describes each [Method]: first the methods that a [Config] can choose, then the
// rates, which are always compared. The result is a copy.
func Methods() []MethodInfo {
	infos := make([]MethodInfo, len(methods))
	for i, m := range methods {
		infos[i] = m.MethodInfo
		infos[i].Kinds = slices.Clone(m.Kinds)
	}
	return infos
}

// methodNamed returns the method, or an error that lists the methods that fit the kind.
func methodNamed(name Method, kind Kind) (*method, error) {
	var fitting []string
	for _, m := range methods {
		if !slices.Contains(m.Kinds, kind) {
			continue
		}
		if m.Name == name {
			return m, nil
		}
		fitting = append(fitting, string(m.Name))
	}
	return nil, fmt.Errorf("is %q, want for a %v column one of %s", name, kind, strings.Join(fitting, ", "))
}
