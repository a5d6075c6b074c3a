"""The decoder stands mutated bodies: a short run of the fuzzer in the suite, a long one by hand.

`FUZZ_SECONDS` (20) says how long; see `run.py` for a run of its own.
"""

import os
import random
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from fixtures.otlp_bodies import EVERYTHING, REQUESTS
from fixtures.otlp_oracle import parsed
from fuzz.mutate import mutated, mutated_json
from fuzz.run import CORPUS, JSON, PROTOBUF, check, corpus
from receivers.otlp.signals import SIGNALS, Signal

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("FUZZ_SECONDS", "20"))
COMPILING_S = 240
FILES = [
    pytest.param(signal, path, id=f"{signal.name}/{path.name}")
    for signal in SIGNALS
    for kind in (PROTOBUF, JSON)
    for path in corpus(CORPUS, signal, kind)
]
every_signal = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)


@pytest.mark.parametrize(("signal", "path"), FILES)
def test_every_file_of_the_corpus_is_read_as_protobuf_reads_it(signal: Signal, path: Path) -> None:
    """Among them every body that the decoder ever failed on."""
    check(signal, path.suffix, path.read_bytes())


@pytest.mark.timeout(SECONDS + 2 * COMPILING_S)
def test_h08_mutated_bodies_are_refused_or_read_as_the_reference_reads_them(
    request: pytest.FixtureRequest,
) -> None:
    """Protobuf and JSON of every signal, with every access of a kernel checked: no crash, no other error, same rows."""
    environment = os.environ | {
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CACHE_DIR": str(kernels_of(request)),
        "PYTHONPATH": f"{ROOT}:{ROOT}/tests",
    }
    command = [sys.executable, "-m", "fuzz.run", "--seconds", str(SECONDS)]
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=SECONDS + COMPILING_S, check=False
    )
    assert run.returncode == 0, run.stdout[-1000:] + run.stderr[-3000:]
    told = re.search(r"(\d+) accepted, (\d+) refused, 0 found", run.stdout)
    assert told, run.stdout
    assert min(map(int, told.groups())) > 10 * SECONDS


def kernels_of(request: pytest.FixtureRequest) -> Path:
    """Where kernels with checks are kept from run to run: numba does not see that a function has changed in the file
    of another that calls it, so each state of the sources has a folder."""
    assert request.config.cache
    sources = sorted((ROOT / "receivers" / "otlp").glob("*.py"))
    digest = sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return Path(request.config.cache.mkdir(f"checked-kernels-{digest[:12]}"))


@every_signal
def test_mutations_come_from_their_seed_and_are_of_every_sort(signal: Signal) -> None:
    """A run can be repeated, and it sees canonical forms, unusual ones and malformed ones in numbers."""
    body, request = EVERYTHING[signal.name](), REQUESTS[signal.name]
    made = [mutated(body, request, random.Random(number)) for number in range(200)]
    assert made == [mutated(body, request, random.Random(number)) for number in range(200)]
    whole = [one for one in made if parsed(signal, one) is not None]
    unusual = [one for one in whole if not signal.scan(one).canonical]
    assert min(len(made) - len(whole), len(unusual), len(whole) - len(unusual), len(set(whole))) > 20
    text = (CORPUS / signal.name / "everything.json").read_bytes()
    assert len({mutated_json(text, random.Random(number)) for number in range(100)}) > 90
