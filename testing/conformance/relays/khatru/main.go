// A relay in memory (khatru) and a client (go-nostr).
//
//	program serve                   prints its address and serves until its standard input ends
//	program use RELAY REPOSITORY    publishes an issue to the relay, reads all back and prints what worked
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/fiatjaf/eventstore"
	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "use" {
		use(os.Args[2], os.Args[3])
	} else {
		serve()
	}
}

func serve() {
	store := newStore()
	relay := khatru.NewRelay()
	relay.StoreEvent = append(relay.StoreEvent, store.SaveEvent)
	relay.QueryEvents = append(relay.QueryEvents, store.QueryEvents)
	relay.CountEvents = append(relay.CountEvents, store.CountEvents)
	relay.DeleteEvent = append(relay.DeleteEvent, store.DeleteEvent)
	relay.ReplaceEvent = append(relay.ReplaceEvent, store.ReplaceEvent)
	relay.Negentropy = true

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Printf("ws://%s\n", listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	check(http.Serve(listener, relay))
}

func use(address, repository string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	result := map[string]any{}

	secret := nostr.GeneratePrivateKey()
	relay, err := nostr.RelayConnect(ctx, address)
	check(err)
	filter := nostr.Filter{Kinds: []int{1621}, Tags: nostr.TagMap{"a": []string{repository}}}
	// Stored events would have to be taken from the channel before it says that there are no more.
	fromNowOn := filter
	fromNowOn.LimitZero = true
	live, err := relay.Subscribe(ctx, nostr.Filters{fromNowOn})
	check(err)
	<-live.EndOfStoredEvents

	issue := nostr.Event{
		CreatedAt: nostr.Now(),
		Kind:      1621,
		Tags:      nostr.Tags{{"a", repository}, {"subject", "From another implementation"}},
		Content:   "The door does not close.",
	}
	check(issue.Sign(secret))
	result["publish"] = relay.Publish(ctx, issue) == nil
	select {
	case event := <-live.Events:
		result["live"] = event.ID == issue.ID
	case <-ctx.Done():
	}

	stored, err := relay.QuerySync(ctx, nostr.Filter{IDs: []string{issue.ID}})
	check(err)
	result["query"] = len(stored) == 1 && stored[0].ID == issue.ID
	if count, _, err := relay.Count(ctx, nostr.Filters{{IDs: []string{issue.ID}}}); err == nil {
		result["count"] = count == 1
	}
	store := newStore()
	if err := nip77.NegentropySync(ctx, eventstore.RelayWrapper{Store: store}, address, filter, nip77.Down); err == nil {
		reconciled, err := store.CountEvents(ctx, filter)
		check(err)
		result["reconciled"] = reconciled
	}
	json.NewEncoder(os.Stdout).Encode(result)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
