package main

import (
	"context"
	"sort"
	"sync"

	"github.com/fiatjaf/eventstore"
	"github.com/nbd-wtf/go-nostr"
)

// Events of one answer, unless it is for a reconciliation.
const maxLimit = 500

// store keeps events in memory, in the plainest way. The one that comes with the library loses events when several are
// written at one time.
type store struct {
	mutex  sync.Mutex
	events map[string]*nostr.Event
}

func newStore() *store {
	return &store{events: map[string]*nostr.Event{}}
}

func (s *store) Init() error { return nil }
func (s *store) Close()      {}

func (s *store) matching(filter nostr.Filter) []*nostr.Event {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found := []*nostr.Event{}
	for _, event := range s.events {
		if filter.Matches(event) {
			found = append(found, event)
		}
	}
	sort.Slice(found, func(one, other int) bool {
		if found[one].CreatedAt != found[other].CreatedAt {
			return found[one].CreatedAt > found[other].CreatedAt
		}
		return found[one].ID < found[other].ID
	})
	return found
}

func (s *store) QueryEvents(ctx context.Context, filter nostr.Filter) (chan *nostr.Event, error) {
	limit := filter.Limit
	if limit == 0 || limit > maxLimit {
		limit = maxLimit
	}
	found := s.matching(filter)
	if filter.LimitZero {
		found = nil
	} else if len(found) > limit && !eventstore.IsNegentropySession(ctx) {
		found = found[:limit]
	}
	channel := make(chan *nostr.Event)
	go func() {
		defer close(channel)
		for _, event := range found {
			select {
			case channel <- event:
			case <-ctx.Done():
				return
			}
		}
	}()
	return channel, nil
}

func (s *store) CountEvents(_ context.Context, filter nostr.Filter) (int64, error) {
	return int64(len(s.matching(filter))), nil
}

func (s *store) SaveEvent(_ context.Context, event *nostr.Event) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.events[event.ID] = event
	return nil
}

func (s *store) DeleteEvent(_ context.Context, event *nostr.Event) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.events, event.ID)
	return nil
}

func (s *store) ReplaceEvent(ctx context.Context, event *nostr.Event) error {
	filter := nostr.Filter{Kinds: []int{event.Kind}, Authors: []string{event.PubKey}}
	if nostr.IsAddressableKind(event.Kind) {
		filter.Tags = nostr.TagMap{"d": []string{event.Tags.GetD()}}
	}
	for _, version := range s.matching(filter) {
		if version.CreatedAt > event.CreatedAt {
			return nil
		}
		if err := s.DeleteEvent(ctx, version); err != nil {
			return err
		}
	}
	return s.SaveEvent(ctx, event)
}
