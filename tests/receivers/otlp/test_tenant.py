"""The tenant in every resource, put there in bytes, against what protobuf itself makes of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.otlp_bodies import Request
from fixtures.otlp_strategies import requests
from receivers.otlp import tenant as module
from receivers.otlp.signals import SIGNALS, TRACES
from receivers.otlp.tenant import KEY, with_tenant
from receivers.otlp.wire import MalformedError

SLOW_TO_START = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
names = st.sampled_from(["", "a", "shop", "t" * 110, "andon.tenant"])
claims = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([KEY, b"andon.tenanu", b"andon.tenan"]), st.binary(max_size=150)),
    max_size=4,
)


any_request = st.one_of(*(requests(signal.name) for signal in SIGNALS))


def envelopes(request):
    """What has the resources, in any signal."""
    return getattr(request, request.DESCRIPTOR.fields[0].name)


def reference(request, tenant):
    """By protobuf: parse, set, serialise."""
    request = type(request).FromString(request.SerializeToString())
    for envelope in envelopes(request):
        had = envelope.HasField("resource")
        kept = [pair for pair in envelope.resource.attributes if pair.key != KEY] if had else []
        if not tenant and not had:
            continue
        mine = [type(envelope.resource.attributes.add())(key=KEY, value={"string_value": tenant.encode()})]
        del envelope.resource.attributes[:]
        envelope.resource.attributes.extend((mine if tenant else []) + kept)
    return request.SerializeToString()


@SLOW_TO_START
@given(any_request, names, claims)
def test_every_resource_says_the_tenant_and_nothing_else_is_changed(request, tenant, claimed):
    """Whatever it said before, wherever it said it."""
    for envelope, key, value in claimed:
        if envelope < len(envelopes(request)):
            attributes = envelopes(request)[envelope].resource.attributes
            attributes.insert(0, type(attributes.add())(key=key, value={"string_value": value}))
    body = request.SerializeToString()
    made = bytes(with_tenant(body, tenant))
    assert made == reference(request, tenant)
    if not tenant and not any(key == KEY for _, key, _ in claimed):
        assert made == body


@pytest.mark.parametrize("signal", SIGNALS, ids=[signal.name for signal in SIGNALS])
def test_every_signal_has_its_resource_at_the_same_place(signal):
    """So one walk does for all; what is stored is canonical still."""
    field = signal.request.DESCRIPTOR.fields[0].name
    body = signal.request(**{field: [{}, {"schema_url": "s"}]}).SerializeToString()
    made = bytes(with_tenant(body, "shop"))
    assert signal.scan(made).canonical
    for envelope in getattr(signal.request.FromString(made), field):
        assert [pair.value.string_value for pair in envelope.resource.attributes] == ["shop"]


def test_a_claim_as_long_as_the_truth_is_taken_out_too():
    """Where no length changes."""
    request = Request(resource_spans=[{"resource": {"attributes": [{"key": KEY, "value": {"string_value": b"evil"}}]}}])
    made = TRACES.request.FromString(bytes(with_tenant(request.SerializeToString(), "shop")))
    (pair,) = made.resource_spans[0].resource.attributes
    assert pair.value.string_value == "shop"


@pytest.mark.parametrize(
    ("attribute", "is_claim"),
    [
        (b"\x12\x03\x0a\x01x" + b"\x0a\x0candon.tenant", True),
        (b"\x0a\x01k" + b"\x0a\x0candon.tenant", True),
        (b"\x0a\x0candon.tenant" + b"\x0a\x01k", False),
        (b"\x8a\x00\x0candon.tenant", True),
        (b"\x0a\x8c\x00andon.tenant", True),
        (b"\x0a\x0candon.tenant" + b"\x08\x05" + b"\x9a\x06\x01x", True),
        (b"\x1a\x0candon.tenant", False),
    ],
    ids=["key last", "key twice", "overwritten", "long tag", "long length", "unknown fields", "another field"],
)
def test_a_claim_is_told_in_every_form_that_protobuf_reads(attribute, is_claim):
    """As the decoder will read it."""
    resource = b"\x0a" + bytes([len(attribute)]) + attribute
    envelope = b"\x0a" + bytes([len(resource)]) + resource
    body = b"\x0a" + bytes([len(envelope)]) + envelope
    (read,) = TRACES.request.FromString(body).resource_spans[0].resource.attributes
    assert (read.key == KEY.decode()) == is_claim
    kept = TRACES.request.FromString(bytes(with_tenant(body, ""))).resource_spans[0].resource.attributes
    assert len(kept) == (not is_claim)


def test_a_resource_after_its_scopes_is_found():
    """Its place is free."""
    scopes, resource = b"\x12\x00", b"\x0a\x10\x0a\x0e\x0a\x0candon.tenant"
    body = b"\x0a" + bytes([len(scopes + resource)]) + scopes + resource
    made = bytes(with_tenant(body, "a"))
    (envelope,) = TRACES.request.FromString(made).resource_spans
    assert [pair.value.string_value for pair in envelope.resource.attributes] == ["a"]
    assert made[2:4] == scopes


@SLOW_TO_START
@given(any_request, st.data())
def test_bytes_that_are_cut_or_changed_are_refused_or_walked_within_their_bounds(request, data):
    """Admission has scanned them before; this must hold all the same."""
    body = bytearray(request.SerializeToString() or b"\x0a\x00")
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = bytes(body[: data.draw(st.integers(0, len(body)))])
    for tenant in ("", "shop"):
        try:
            with_tenant(body, tenant)
        except MalformedError:
            continue


def test_no_kernel_reads_or_writes_outside_of_its_arrays(tmp_path):
    """With numba's bounds checks on, damaged bodies pass without an IndexError."""
    environment = os.environ | {
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    script = Path(__file__).with_name("tenant_bounds_check.py")
    run = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "2000 bodies" in run.stdout


def test_what_nobody_claims_is_handed_on_as_it_is():
    """Without a copy."""
    body = Request(resource_spans=[{"resource": {"attributes": [{"key": b"k"}]}}]).SerializeToString()
    assert with_tenant(body, "") is body
    assert module.KEY == b"andon.tenant"
