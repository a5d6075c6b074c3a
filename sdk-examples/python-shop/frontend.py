"""What a visitor sees: browsing needs nobody else, checking out asks the checkout service.

In: GET /, GET /products/{sku}, POST /checkout. Out: POST /orders at CHECKOUT_URL. When checkout cannot answer, the
visitor gets a 503 and may try again.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import Body, FastAPI, HTTPException, Request
from pydantic import BaseModel

CHECKOUT_URL = os.environ.get("CHECKOUT_URL", "http://127.0.0.1:8102")
PATIENCE_S = 10.0


class Product(BaseModel):
    name: str
    price_cents: int


PRODUCTS = {
    "paper-lantern": Product(name="Paper lantern", price_cents=2_900),
    "stone-lantern": Product(name="Stone lantern", price_cents=18_900),
    "floating-lantern": Product(name="Floating lantern", price_cents=1_250),
    "signal-cord": Product(name="Signal cord, three metres", price_cents=890),
}


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with httpx.AsyncClient(base_url=CHECKOUT_URL, timeout=PATIENCE_S) as checkout:
        yield {"checkout": checkout}


app = FastAPI(title="Shop frontend", lifespan=lifespan)


@app.get("/")
async def home() -> dict[str, Any]:
    return {"shop": "Lanterns and signals", "products": sorted(PRODUCTS)}


@app.get("/products/{sku}")
async def product(sku: str) -> Product:
    if sku not in PRODUCTS:
        raise HTTPException(404, f"no product {sku!r}")
    return PRODUCTS[sku]


@app.post("/checkout")
async def check_out(request: Request, skus: Annotated[list[str], Body(embed=True, min_length=1, max_length=20)]) -> Any:
    if unknown := [sku for sku in skus if sku not in PRODUCTS]:
        raise HTTPException(404, f"no product {unknown[0]!r}")
    order = {"skus": skus, "amount_cents": sum(PRODUCTS[sku].price_cents for sku in skus)}
    try:
        answer = await request.state.checkout.post("/orders", json=order)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise HTTPException(503, "Your order could not be placed. Nothing was charged; please try again.") from error
    return answer.json()
