// A shop under the Go SDK: each request a span and a point of a histogram, each log line in the trace it belongs to.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

func main() {
	ctx, done := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer done()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	shutdown, err := startTelemetry(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shutdown()) }()
	return serve(ctx, otelhttp.NewHandler(shop(), "shop"))
}

func shop() http.Handler {
	logger := otelslog.NewLogger("shop")
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if id == "declined" {
			logger.ErrorContext(r.Context(), "the card network did not answer", slog.String("order", id))
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		logger.InfoContext(r.Context(), "sold", slog.String("order", id))
		w.WriteHeader(http.StatusCreated)
	})
	return mux
}

// serve answers until ctx is done and what it had begun is finished.
func serve(ctx context.Context, handler http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: handler}
	stopped := context.AfterFunc(ctx, func() { _ = server.Shutdown(context.WithoutCancel(ctx)) })
	defer stopped()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
