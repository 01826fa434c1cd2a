package registrytest

import "testing"

// Failures returns what a kit has to say of the promise with this name: how it is broken,
// and what the harness lacks to check it.
func Failures(t *testing.T, h Harness, name string) ([]string, string) {
	return failures(t, h, promises(), name)
}

func LogFailures(t *testing.T, h LogHarness, name string) ([]string, string) {
	return failures(t, h, logPromises(), name)
}

func BlobsFailures(t *testing.T, h BlobsHarness, name string) ([]string, string) {
	return failures(t, h, blobsPromises(), name)
}

func failures[H any](t *testing.T, h H, promises []promise[H], name string) ([]string, string) {
	for _, c := range promises {
		if c.name == name {
			p := attempt(t, h, c)
			return p.failures, p.unchecked
		}
	}
	t.Fatalf("no promise has the name %q", name)
	return nil, ""
}
