"""All kernels of the receiver, compiled where an image is built: `python -m receivers.otlp.kernels`.

Out: the cache that `NUMBA_CACHE_DIR` names, with everything in it that ingest needs to start.
"""

from receivers.otlp.admission import warm_up as warm_up_admission
from receivers.otlp.signals import warm_up as warm_up_signals

if __name__ == "__main__":
    warm_up_signals()
    warm_up_admission()
