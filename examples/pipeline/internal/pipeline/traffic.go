package pipeline

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/selfheal-ml/selfheal/labels"
)

// advance lets simulated time pass until the given time, or until done, if not nil,
// returns true: applications arrive and are answered over HTTP, labels come in, and the
// loop looks after every tick.
func (s *story) advance(ctx context.Context, until time.Time, done func() bool) error {
	for s.now.Before(until) && (done == nil || !done()) {
		s.timeline.working("%s  %d requests answered", s.now.Format("2006-01-02 15:04"), s.client.answered.Load())
		if err := s.traffic(ctx, s.now.Add(tick)); err != nil {
			return err
		}
		if err := s.look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// traffic lets applications arrive and labels come in until the given time.
func (s *story) traffic(ctx context.Context, until time.Time) error {
	requests := s.applications(s.now, until)
	answers, err := s.client.predictAll(ctx, requests)
	if err != nil {
		return err
	}
	for i, a := range answers {
		s.willBeLabelled(a.id, requests[i])
	}
	s.now = until
	// The loop must find all answers before now.
	if err := s.service.recorder.Flush(ctx); err != nil {
		return err
	}
	return s.postLabels(ctx)
}

// applications returns evenly spaced requests between two times.
func (s *story) applications(from, until time.Time) []request {
	const gap = day / perDay
	var requests []request
	for at := from; at.Before(until); at = at.Add(gap) {
		r := s.application()
		r.at = at
		requests = append(requests, r)
	}
	return requests
}

// application returns a request of this moment.
func (s *story) application() request {
	a, defaulted := s.population.draw(s.market)
	return request{s.now, a, defaulted}
}

// willBeLabelled decides whether and when the truth about a prediction will be known.
func (s *story) willBeLabelled(id string, r request) {
	random := s.population.random
	delay := minDelay + time.Duration(random.Float64()*float64(maxDelay-minDelay))
	if random.Float64() >= labelledShare {
		return
	}
	class := "0"
	if r.defaulted {
		class = "1"
	}
	s.pending = append(s.pending, labels.Label{PredictionID: id, Class: class, Time: r.at.Add(delay)})
}

// postLabels posts the labels that are known by now.
func (s *story) postLabels(ctx context.Context) error {
	slices.SortStableFunc(s.pending, func(a, b labels.Label) int { return a.Time.Compare(b.Time) })
	n, _ := slices.BinarySearchFunc(s.pending, s.now, func(l labels.Label, now time.Time) int {
		return cmp.Or(l.Time.Compare(now), -1) // also those that become known right now
	})
	for batch := range slices.Chunk(s.pending[:n], 1000) {
		if err := s.client.postLabels(ctx, batch); err != nil {
			return err
		}
	}
	s.pending = s.pending[n:]
	return nil
}

// loadRequests is how many requests lookUnderLoad makes, the last loadAfter of them once
// the loop is done.
const (
	loadRequests = 200
	loadAfter    = 50
)

// lookUnderLoad lets the loop look while requests keep coming, and returns how many of them
// each version answered. A request that fails is an error. The truth about these applicants
// never becomes known: milliseconds decide which version answers them, and must not decide
// what the story measures.
func (s *story) lookUnderLoad(ctx context.Context) (map[string]int, error) {
	requests := make([]request, loadRequests)
	for i := range requests {
		requests[i] = s.application()
		requests[i].at = s.now.Add(time.Duration(i) * time.Second)
	}
	looked := make(chan struct{})
	byVersion := map[string]int{}
	var errs []error
	var wg sync.WaitGroup
	wg.Go(func() {
		for i, r := range requests {
			if i == loadRequests-loadAfter {
				<-looked
			}
			if a, err := s.client.predict(ctx, r); err != nil {
				errs = append(errs, err)
			} else {
				byVersion[a.Version]++
			}
			time.Sleep(time.Millisecond)
		}
	})
	err := s.look(ctx)
	close(looked)
	wg.Wait()
	return byVersion, errors.Join(append(errs, err)...)
}
