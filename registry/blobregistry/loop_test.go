package blobregistry_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/selfheal-ml/selfheal/healing/looptest"
	"github.com/selfheal-ml/selfheal/registry"
)

// One bucket is all that the processes of a service need for registry, journal and lease.
func TestLoop(t *testing.T) {
	t.Parallel()
	for _, s := range stores(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			place := s.place(t)
			out := looptest.Run(t, func() looptest.Stores {
				b := open(t, place())
				return looptest.Stores{Registry: b.Registry("churn"), Journal: b.Log("journal/churn"), Lease: b.Lease("churn")}
			})
			require.Empty(t, out.Status.Caveat)

			// The process that woke up left no artifact behind.
			known := make(map[string]bool)
			for v, err := range open(t, place()).Registry("churn").Versions(t.Context(), registry.Query{}) {
				require.NoError(t, err)
				for _, f := range v.Files {
					known["blob/churn/"+f.Blob] = true
				}
			}
			for it := place().List(&blob.ListOptions{Prefix: "blob/"}); ; {
				o, err := it.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				require.True(t, known[o.Key], "no version knows %s", o.Key)
			}
			require.Zero(t, uploads(t, place()))
		})
	}
}
