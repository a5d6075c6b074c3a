"""Charges cards, and can be told to fail.

In: POST /charges; PUT /fault from this machine only, to break the service on purpose: a share of the charges then fails
with a 503, or takes `delay_s` longer. Nobody's request, so keep it out of the numbers: OTEL_PYTHON_EXCLUDED_URLS=/fault
"""

import asyncio
import random
from enum import StrEnum
from ipaddress import ip_address
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

CARD_NETWORK_S = (0.010, 0.040)


class Mode(StrEnum):
    OK = "ok"
    ERRORS = "errors"
    SLOW = "slow"


class Fault(BaseModel):
    mode: Mode = Mode.OK
    share: float = Field(default=1.0, ge=0, le=1)
    delay_s: float = Field(default=1.5, ge=0, le=60)

    def strikes(self) -> Mode:
        """What this fault does to one charge."""
        return self.mode if random.random() < self.share else Mode.OK


class Charge(BaseModel):
    order_id: str
    amount_cents: int = Field(gt=0)


app = FastAPI(title="Shop payment")
app.state.fault = Fault()


@app.post("/charges", status_code=201)
async def charge(charge: Charge) -> dict[str, str]:
    struck = app.state.fault.strikes()
    await asyncio.sleep(random.uniform(*CARD_NETWORK_S))
    if struck is Mode.ERRORS:
        raise HTTPException(503, f"the card network did not answer for order {charge.order_id}")
    if struck is Mode.SLOW:
        await asyncio.sleep(app.state.fault.delay_s)
    return {"charge_id": str(uuid4())}


@app.put("/fault")
async def set_fault(request: Request, fault: Fault) -> Fault:
    if request.client is None or not ip_address(request.client.host).is_loopback:
        raise HTTPException(403, "only from this machine")
    app.state.fault = fault
    return fault
