package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/getsentry/sentry-go"
)

type BasketError struct{ reason string }

func (e BasketError) Error() string { return e.reason }

//go:noinline
func checkOut() {
	sentry.CaptureException(BasketError{"the basket is empty"})
}

// Frames of the library stand between this one and the last.
//
//go:noinline
func openShop() {
	var once sync.Once
	once.Do(checkOut)
}

func main() {
	if err := sentry.Init(sentry.ClientOptions{Dsn: os.Getenv("SENTRY_DSN"), Release: "shop@2.3.4"}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sentry.ConfigureScope(func(scope *sentry.Scope) {
		scope.SetUser(sentry.User{ID: "buyer-7", Username: "buyer"})
		scope.SetTag("basket", "green")
	})
	sentry.AddBreadcrumb(&sentry.Breadcrumb{Category: "shop", Message: "the shop opens", Level: sentry.LevelInfo})
	sentry.WithScope(func(scope *sentry.Scope) {
		scope.AddAttachment(&sentry.Attachment{
			Filename: "basket.txt", ContentType: "text/plain", Payload: []byte("two apples"),
		})
		openShop()
	})
	sentry.CaptureMessage("the shop closes")
	if !sentry.Flush(10 * time.Second) {
		fmt.Fprintln(os.Stderr, "the SDK could not send everything in time")
		os.Exit(1)
	}
}
