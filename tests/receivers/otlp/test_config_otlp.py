"""What users may write under `receivers.otlp`."""

import re
import textwrap
from pathlib import Path

import pytest

import receivers.otlp
from pipeline.config import load
from pipeline.errors import ConfigError
from receivers.otlp.config import (
    AuthConfig,
    CorsConfig,
    GrpcConfig,
    HttpConfig,
    OtlpConfig,
    QuotaConfig,
    QuotasConfig,
)


def parse(tmp_path, text: str) -> OtlpConfig:
    """The YAML `text` as the receiver's configuration."""
    path = tmp_path / "otlp.yaml"
    path.write_text(text)
    return load(path)[0].parse(OtlpConfig)


def test_both_doors_open_on_loopback_by_default(tmp_path):
    """At the ports every SDK knows."""
    config = parse(tmp_path, "{}")
    assert (config.protocols.grpc.endpoint, config.protocols.http.endpoint) == ("127.0.0.1:4317", "127.0.0.1:4318")
    assert config.max_request_bytes == 64 << 20


def test_only_the_protocols_that_are_named_are_on(tmp_path):
    """As in the collector, also with nothing said of them."""
    config = parse(tmp_path, "protocols: {http: }")
    assert config.protocols.grpc is None
    assert config.protocols.http.endpoint == "127.0.0.1:4318"


def test_tokens_come_from_the_environment_and_are_never_shown(tmp_path, monkeypatch):
    """Secrets stay out of the file and of every message."""
    monkeypatch.setenv("ANDON_TOKEN", "s3cret")
    config = parse(tmp_path, 'auth: {bearer_tokens: ["${env:ANDON_TOKEN}"]}')
    assert [token.get_secret_value() for token in config.auth.bearer_tokens] == ["s3cret"]
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize("token", ["''", "'two words'", "'umläut'", "5"])
def test_a_token_that_no_header_can_carry_is_refused(tmp_path, token):
    """Rather than never matching."""
    with pytest.raises(ConfigError, match=r"auth.bearer_tokens\[0\]: expected a token: printable ASCII without spaces"):
        parse(tmp_path, f"auth: {{bearer_tokens: [{token}]}}")


OPEN = "protocols: {grpc: {endpoint: '0.0.0.0:4317'%s}}\n"
TLS = ", tls: {cert_file: c, key_file: k}"
TOKENS = "auth: {bearer_tokens: [t]}\n"


@pytest.mark.parametrize(
    "text", [OPEN % "", OPEN % TLS, OPEN % "" + TOKENS], ids=["neither", "tls only", "tokens only"]
)
def test_standing_open_without_token_and_tls_is_refused(tmp_path, text):
    """Unless the configuration says so in words; the message names them."""
    with pytest.raises(ConfigError, match=r"tls and auth.bearer_tokens \(or auth.tokens_file\) .*\(0.0.0.0:4317\), or"):
        parse(tmp_path, text)


TOKENS_FILE = "auth: {tokens_file: t.yaml}\n"


@pytest.mark.parametrize(
    "text",
    [OPEN % TLS + TOKENS, OPEN % TLS + TOKENS_FILE, OPEN % "" + "insecure: true"],
    ids=["both", "both, from a file", "insecure"],
)
def test_standing_open_is_allowed_with_both_or_by_words(tmp_path, text):
    """Either is a decision somebody made."""
    assert parse(tmp_path, text).protocols.grpc.endpoint == "0.0.0.0:4317"


def test_the_readme_shows_the_defaults(tmp_path, monkeypatch):
    """What it marks as an example aside."""
    monkeypatch.setenv("ANDON_OTLP_TOKEN", "t")
    readme = Path(receivers.otlp.__file__).with_name("README.md").read_text()
    block = re.search(r"```yaml\nreceivers:\n  otlp:\n(.*?)```", readme, re.DOTALL)[1]
    shown = parse(tmp_path, textwrap.dedent(block))
    assert shown.protocols.http.model_copy(update={"tls": None, "cors": CorsConfig()}) == HttpConfig()
    assert shown.protocols.http.cors.max_age == CorsConfig().max_age
    assert shown.protocols.grpc.model_copy(update={"tls": None}) == GrpcConfig()
    examples = {"protocols": OtlpConfig().protocols, "auth": AuthConfig(), "quotas": QuotasConfig(), "workers": None}
    assert shown.model_copy(update=examples) == OtlpConfig()
    assert shown.quotas.default.burst == QuotaConfig().burst


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limits: {max_attributes: 0}", r"limits.max_attributes: expected greater than or equal to 1"),
        ("limits: {max_value_length: 1B}", r"limits.max_value_length: expected greater than or equal to 256"),
        ("limits: {max_depth: 101}", r"limits.max_depth: expected less than or equal to 100"),
        ("quotas: {default: {requests_per_second: 0}}", r"requests_per_second: expected greater than or equal to 1"),
        ("quotas: {tenants: {'a b': {}}}", r"expected a name of letters, digits, dots, dashes and underscores"),
        ("retries: {window: 0s}", r"retries.window: expected greater than or equal to 1"),
        ("protocols: {http: {cors: {allowed_origins: [shop.example.com]}}}", r"expected `\*`, or an origin such as"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, text, message):
    """With their place, and what was expected there."""
    with pytest.raises(ConfigError, match=message):
        parse(tmp_path, text)
