"""Shoppers: each browses, thinks, and now and then checks out, over and over until SIGTERM or SIGINT.

    python driver.py [--url http://127.0.0.1:8101] [--shoppers 18] [--seed 1] [--verbose]

A shopper waits for each answer and then thinks for a second or more. So the number of shoppers bounds the load (18 make
some 12 requests a second, a third of them checkouts) and nothing piles up on a shop in trouble. Same seed, same wishes.
"""

import argparse
import asyncio
import random
import signal
from dataclasses import dataclass, field
from typing import Any

import httpx

SKUS = ("paper-lantern", "stone-lantern", "floating-lantern", "signal-cord")
PAGES = ("/", *(f"/products/{sku}" for sku in SKUS))
CHECKOUT_SHARE = 1 / 3
THINK_S = (1.0, 1.9)
PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One thing a shopper wants of the shop."""

    method: str
    path: str
    body: dict[str, Any] | None = field(default=None)


def wish(rng: random.Random) -> Wish:
    """What a shopper wants next."""
    if rng.random() < CHECKOUT_SHARE:
        return Wish(method="POST", path="/checkout", body={"skus": rng.choices(SKUS, k=rng.randint(1, 3))})
    return Wish(method="GET", path=rng.choice(PAGES))


async def ask(shop: httpx.AsyncClient, wanted: Wish) -> str:
    """The shop's answer in a few words; trouble is an answer too."""
    try:
        answer = await shop.request(wanted.method, wanted.path, json=wanted.body)
    except httpx.HTTPError as error:
        return type(error).__name__
    return f"{answer.status_code} {answer.elapsed.total_seconds():.3f} s"


async def shopper(shop: httpx.AsyncClient, rng: random.Random, *, verbose: bool) -> None:
    """One shopper's endless day."""
    while True:
        await asyncio.sleep(rng.uniform(*THINK_S))
        wanted = wish(rng)
        answer = await ask(shop, wanted)
        if verbose:
            print(f"{wanted.method:4} {wanted.path:26} {answer}", flush=True)  # noqa: T201


async def crowd(url: str, shoppers: int, seed: int, *, verbose: bool) -> None:
    """All shoppers at once, until told to stop."""
    closing = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, closing.set)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as shop:
        days = [
            asyncio.create_task(shopper(shop, random.Random(f"{seed}/{number}"), verbose=verbose))
            for number in range(shoppers)
        ]
        await closing.wait()
        for day in days:
            day.cancel()
        await asyncio.gather(*days, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Shoppers that browse, think and check out until stopped.")
    parser.add_argument("--url", default="http://127.0.0.1:8101", help="the shop's frontend")
    parser.add_argument("--shoppers", type=int, default=18, choices=range(1, 201), metavar="1..200")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="print each request and its answer")
    options = parser.parse_args()
    asyncio.run(crowd(options.url, options.shoppers, options.seed, verbose=options.verbose))


if __name__ == "__main__":
    main()
