"""Fuzzes the decoder: protobuf's own parser and the slow reference must say the same of every input, without a crash.

    NUMBA_BOUNDSCHECK=1 PYTHONPATH=.:tests python -m fuzz.run --seconds 600

In: the corpus, first as it is, then mutated. Out: a line of counts; what fails is printed and joins the corpus as
`found-…`, which makes the run end with 1. The input being tried stands there as `trying-…`, so that one that kills the
process or hangs is not lost. The same seed makes the same inputs.
"""

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numba

from fixtures.otlp_bodies import REQUESTS
from fixtures.otlp_oracle import agree
from fuzz.mutate import mutated, mutated_json
from pipeline.errors import PermanentError
from receivers.otlp import json
from receivers.otlp.signals import SIGNALS, Signal

CORPUS = Path(__file__).with_name("corpus")
PROTOBUF, JSON = ".pb", ".json"
MOST_FINDS = 20


def corpus(folder: Path, signal: Signal, kind: str) -> list[Path]:
    """The files of one signal and kind, in order."""
    return sorted(path for path in (folder / signal.name).iterdir() if path.suffix == kind)


def check(signal: Signal, kind: str, body: bytes) -> bool:
    """Whether `body` is accepted; an AssertionError, or any other, if something is wrong with that."""
    if kind == PROTOBUF:
        return agree(signal, body)
    try:
        body = json.to_protobuf(body, signal.request)
    except PermanentError:
        return False
    scan = signal.scan(body)
    assert scan.canonical, "JSON becomes what protobuf writes"
    return agree(signal, body)


class Fuzzer:
    """One run: tries inputs, keeps what fails."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.tried: Counter[str] = Counter()
        self.found: list[Path] = []

    def replay(self) -> None:
        """The corpus as it is."""
        for signal in SIGNALS:
            for kind in (PROTOBUF, JSON):
                for path in corpus(self.folder, signal, kind):
                    self._try(signal, kind, path.read_bytes())

    def explore(self, seconds: float) -> None:
        """Mutations of the corpus until the time is up."""
        until = time.monotonic() + seconds
        inputs = {
            (signal.name, kind): [path.read_bytes() for path in corpus(self.folder, signal, kind)]
            for signal in SIGNALS
            for kind in (PROTOBUF, JSON)
        }
        number = 0
        while time.monotonic() < until and len(self.found) < MOST_FINDS:
            chance = random.Random(f"{self.seed}-{number}")
            signal, kind = SIGNALS[number % len(SIGNALS)], JSON if number % 4 == 3 else PROTOBUF
            body = chance.choice(inputs[signal.name, kind])
            made = mutated(body, REQUESTS[signal.name], chance) if kind == PROTOBUF else mutated_json(body, chance)
            self._try(signal, kind, made)
            number += 1

    def _try(self, signal: Signal, kind: str, body: bytes) -> None:
        name = sha256(body).hexdigest()[:12]
        trying = self.folder / signal.name / f"trying-{name}{kind}"
        trying.write_bytes(body)
        try:
            self.tried["accepted" if check(signal, kind, body) else "refused"] += 1
        except Exception:  # noqa: BLE001 - whatever it is, it is found
            traceback.print_exc()
            self.found.append(trying.rename(trying.with_name(f"found-{name}{kind}")))
        else:
            trying.unlink()


def main(arguments: list[str]) -> int:
    """Run for so many seconds."""
    parser = argparse.ArgumentParser(description="Fuzz the OTLP decoder.")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    options = parser.parse_args(arguments)
    assert numba.config.BOUNDSCHECK, "expected NUMBA_BOUNDSCHECK=1: else what is out of bounds goes unseen"
    fuzzer = Fuzzer(options.corpus, options.seed)
    fuzzer.replay()
    fuzzer.explore(options.seconds)
    print(f"seed {options.seed}: {fuzzer.tried['accepted']} accepted, {fuzzer.tried['refused']} refused,",
          f"{len(fuzzer.found)} found", *fuzzer.found)  # fmt: skip
    return 1 if fuzzer.found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
