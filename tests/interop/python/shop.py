"""A shop that knows no OpenTelemetry but its API: `opentelemetry-instrument` does the rest."""

import logging

from fastapi import FastAPI, HTTPException
from opentelemetry import metrics

log = logging.getLogger("shop")
log.setLevel(logging.INFO)
meter = metrics.get_meter("shop", "1.2.3")
orders = meter.create_counter("orders", unit="{order}", description="Orders taken")
latency = meter.create_histogram("latency", unit="ms", explicit_bucket_boundaries_advisory=[10, 100])
temperature = meter.create_gauge("temperature", unit="Cel")
app = FastAPI()


@app.post("/orders/{number}")
def order(number: int) -> dict[str, int]:
    orders.add(number, {"currency": "EUR"})
    latency.record(5 * 10 ** (number - 1))
    temperature.set(20.5 + number)
    log.info("order %d", number)
    if number == 3:
        raise HTTPException(503, "sold out")
    return {"number": number}
