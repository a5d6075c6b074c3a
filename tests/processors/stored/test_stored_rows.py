"""Some rows of a batch: what Arrow's own filter gives, sooner."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.otlp_bodies import everything
from fixtures.otlp_strategies import bodies
from processors.stored.rows import rows
from receivers.otlp.signals import SIGNALS, TRACES, Signal


def assert_rows_are_arrows(record: pa.RecordBatch, mask: np.ndarray) -> None:
    kept = rows(record, mask)
    kept.validate(full=True)
    assert kept.schema == record.schema
    assert repr(kept.to_pylist()) == repr(record.filter(pa.array(mask)).to_pylist())  # repr, for NaN is not itself


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_rows_are_those_that_arrow_would_filter(signal: Signal, data: st.DataObject) -> None:
    """Any spans, points or log records, any mask, and any slice of a batch."""
    for decoded in signal.decode(data.draw(bodies(signal.name)), 1):
        begin = data.draw(st.integers(0, decoded.records.num_rows))
        some = decoded.records.slice(begin, data.draw(st.integers(0, decoded.records.num_rows - begin)))
        mask = data.draw(st.lists(st.booleans(), min_size=some.num_rows, max_size=some.num_rows))
        assert_rows_are_arrows(some, np.array(mask, bool))


def test_rows_of_a_slice_have_their_own_attributes() -> None:
    """A slice shares its buffers with what is around it."""
    record = next(iter(TRACES.decode(everything(4), 0))).records.slice(1, 3)
    assert_rows_are_arrows(record, np.array([True, False, True]))


def test_maps_with_nulls_are_left_to_arrow() -> None:
    """Not ours, but a batch may come from elsewhere."""
    kind = pa.map_(pa.dictionary(pa.int32(), pa.string()), pa.string())
    column = pa.array([[("a", "1")], None, [("b", None)]], pa.map_(pa.string(), pa.string())).cast(kind)
    assert_rows_are_arrows(pa.record_batch({"m": column}), np.array([False, True, True]))


def test_keys_and_values_may_lie_anywhere_in_their_buffers() -> None:
    """As they do where a column was cut out of a larger one."""
    keys = pa.array(["x", "a", "b", "c"]).dictionary_encode().slice(1)
    items = pa.array(["lost", "1", "22", "333"]).slice(1)
    column = pa.MapArray.from_arrays(
        pa.array([0, 2, 2, 3], pa.int32()), keys, items, type=pa.map_(keys.type, pa.string())
    )
    assert_rows_are_arrows(pa.record_batch({"m": column}), np.array([True, False, True]))
