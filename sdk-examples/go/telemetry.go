package main

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log/global"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
)

const flushTimeout = 10 * time.Second

// startTelemetry sets up the three signals as OTEL_* say. The function it returns sends what they still hold.
func startTelemetry(ctx context.Context) (func() error, error) {
	spans, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, err
	}
	reader, err := autoexport.NewMetricReader(ctx)
	if err != nil {
		return nil, err
	}
	records, err := autoexport.NewLogExporter(ctx)
	if err != nil {
		return nil, err
	}
	tracing := trace.NewTracerProvider(trace.WithBatcher(spans))
	metering := metric.NewMeterProvider(metric.WithReader(reader))
	logging := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(records)))
	otel.SetTracerProvider(tracing)
	otel.SetMeterProvider(metering)
	global.SetLoggerProvider(logging)
	return func() error {
		ctx, done := context.WithTimeout(context.Background(), flushTimeout)
		defer done()
		return errors.Join(tracing.Shutdown(ctx), metering.Shutdown(ctx), logging.Shutdown(ctx))
	}, nil
}
