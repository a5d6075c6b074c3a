"""How the evaluator is tuned: the section `evaluate` of `andon.yaml`."""

from datetime import timedelta

from pydantic import field_validator

from pipeline.clock import NS_PER_S
from pipeline.config import Config, DurationNs, written
from processors.incidents.scene import Patience
from processors.slo.windows import SLICE


class EvaluateConfig(Config):
    """How often promises are looked at, and how patiently incidents end."""

    interval: DurationNs = written("2s")
    live_window: DurationNs = written("60s")
    resolve_after: DurationNs = written("60s")
    reopen_within: DurationNs = written("10m")

    @field_validator("interval")
    @classmethod
    def _passes(cls, value: int) -> int:
        if value <= 0:
            raise ValueError("more than no time")
        return value

    @field_validator("live_window")
    @classmethod
    def _whole_slices(cls, value: int) -> int:
        if value <= 0 or value % (SLICE.seconds * NS_PER_S):
            raise ValueError(f"a multiple of {SLICE.seconds}s")
        return value

    @property
    def interval_s(self) -> float:
        return self.interval / NS_PER_S

    @property
    def live_s(self) -> int:
        return self.live_window // NS_PER_S

    @property
    def patience(self) -> Patience:
        return Patience(
            resolve_after=timedelta(seconds=self.resolve_after / NS_PER_S),
            reopen_within=timedelta(seconds=self.reopen_within / NS_PER_S),
        )
