"""Takes orders: an order exists once its charge went through.

In: POST /orders. Out: POST /charges at PAYMENT_URL. When payment fails, the order fails with a 502.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

PAYMENT_URL = os.environ.get("PAYMENT_URL", "http://127.0.0.1:8103")
PATIENCE_S = 5.0


class Order(BaseModel):
    skus: list[str] = Field(min_length=1, max_length=20)
    amount_cents: int = Field(gt=0)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with httpx.AsyncClient(base_url=PAYMENT_URL, timeout=PATIENCE_S) as payment:
        yield {"payment": payment}


app = FastAPI(title="Shop checkout", lifespan=lifespan)


@app.post("/orders", status_code=201)
async def place(request: Request, order: Order) -> dict[str, str]:
    order_id = str(uuid4())
    charge = {"order_id": order_id, "amount_cents": order.amount_cents}
    try:
        answer = await request.state.payment.post("/charges", json=charge)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise HTTPException(502, "the charge did not go through") from error
    return {"order_id": order_id, "charge_id": answer.json()["charge_id"]}
