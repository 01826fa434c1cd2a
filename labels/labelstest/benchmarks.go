package labelstest

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/selfheal-ml/selfheal/labels"
)

// RunBenchmarks measures Append in calls of 1 and 1000 labels, and Lookup of 1000 of
// 100 000 predictions, now and as of an earlier moment, and Scan of as many labels.
func RunBenchmarks(b *testing.B, h Harness) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("append/n=%d", n), func(b *testing.B) {
			s, next := h.New(b), 0
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Append(b.Context(), sequence(next, n)...); err != nil {
					b.Fatal(err)
				}
				next += n
			}
			b.ReportMetric(float64(next)/b.Elapsed().Seconds(), "labels/s")
		})
	}
	const stored = 100_000
	b.Run("lookup/n=1000", func(b *testing.B) {
		s := h.New(b)
		if err := s.Append(b.Context(), sequence(0, stored)...); err != nil {
			b.Fatal(err)
		}
		ids := make([]string, 1000)
		for i, l := range sequence(0, stored)[stored/2:][:len(ids)] {
			ids[i] = l.PredictionID
		}
		b.ReportAllocs()
		for b.Loop() {
			found, err := s.Lookup(b.Context(), ids...)
			if err != nil || len(found) != len(ids) {
				b.Fatalf("found %d labels of %d: %v", len(found), len(ids), err)
			}
		}
	})
	b.Run("lookupasof/n=1000", func(b *testing.B) {
		s := h.New(b)
		ls, ids := sequence(0, stored), make([]string, 1000)
		for i := range ls {
			ls[i].Arrived = at(i % 60)
		}
		if err := s.Append(b.Context(), ls...); err != nil {
			b.Fatal(err)
		}
		for i := range ids {
			ids[i] = ls[stored/2+i].PredictionID
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.LookupAsOf(b.Context(), at(30), ids...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(fmt.Sprintf("scan/n=%d", stored), func(b *testing.B) {
		s := h.New(b)
		if err := s.Append(b.Context(), sequence(0, stored)...); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for _, err := range s.Scan(b.Context(), labels.Query{}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != stored {
				b.Fatalf("scanned %d labels, want %d", n, stored)
			}
		}
	})
}

// sequence returns n labels of predictions from the given one on, whose IDs are as long
// as a UUID.
func sequence(from, n int) []labels.Label {
	ls := make([]labels.Label, n)
	for i := range ls {
		id := fmt.Sprintf("0197a2b4-7c3e-7d7e-b5a1-%012d", from+i)
		ls[i] = class(id, strconv.Itoa(i%2), i%60)
	}
	return ls
}
