"""Who may send what: tokens by their digests, from the configuration and from a file that changes."""

import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import receivers.otlp
from pipeline.clock import FakeClock
from pipeline.errors import ConfigError
from receivers.otlp.config import AuthConfig
from receivers.otlp.status import UnauthenticatedError
from receivers.otlp.tokens import Tokens, new_token, read_tokens

GOOD = f"sha256: {'a' * 64}"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    """Where the tokens stand."""
    return tmp_path / "tokens.yaml"


def write(path, *lines):
    """A file of tokens."""
    path.write_text("tokens:\n" + "\n".join(lines) + "\n" if lines else "tokens: []\n")


def tokens_of(path, *plain):
    """The tokens in a file, and some in the configuration."""
    return Tokens(AuthConfig(tokens_file=str(path), bearer_tokens=list(plain)), FakeClock(NOW))


def is_known(tokens, token):
    """Whether it opens the door."""
    try:
        tokens.grant(f"Bearer {token}")
    except UnauthenticatedError:
        return False
    return True


def test_a_tenant_may_have_several_tokens_and_each_may_be_for_some_signals(path):
    """So that a new one is in use before the old one goes."""
    (old, one), (new, other), (shop, third) = new_token("bank"), new_token("bank"), new_token("shop")
    write(path, one, other, "    signals: [traces, logs]", third)
    tokens = tokens_of(path)
    assert [tokens.grant(f"Bearer {token}").tenant for token in (old, new, shop)] == ["bank", "bank", "shop"]
    assert tokens.grant(f"Bearer {old}").signals == ("traces", "metrics", "logs")
    assert tokens.grant(f"bearer  {new}").signals == ("traces", "logs")


def test_tokens_of_the_configuration_stand_beside_those_of_the_file(path):
    """And are nobody's in particular."""
    token, lines = new_token("shop")
    write(path, lines)
    tokens = tokens_of(path, "plain")
    assert (tokens.grant("Bearer plain").tenant, tokens.grant(f"Bearer {token}").tenant) == ("", "shop")


def test_a_token_is_valid_from_one_time_until_another(path):
    """In whatever zone that is written."""
    token, lines = new_token("shop")
    write(path, lines, "    not_before: 2026-11-22T12:00:01+02:00", "    expires: 2026-11-22T10:00:02Z")
    clock = FakeClock(NOW)
    tokens = Tokens(AuthConfig(tokens_file=str(path)), clock)
    known = []
    for _ in range(3):
        known.append(is_known(tokens, token))
        clock.advance(1)
    assert known == [False, True, False]


def test_a_file_of_no_tokens_lets_nobody_in(path):
    """An empty list is not an open door."""
    write(path)
    assert not is_known(tokens_of(path), "")


def test_a_file_that_changed_is_in_force_and_a_broken_one_is_told_of_once(path, caplog):
    """The tokens before stay in force then."""
    (old, one), (new, other) = new_token("shop"), new_token("shop")
    write(path, one)
    tokens = tokens_of(path)
    write(path, other)
    tokens.reload()
    assert (is_known(tokens, old), is_known(tokens, new)) == (False, True)
    with caplog.at_level(logging.WARNING, "andon"):
        path.write_text("tokens: [{tenant: shop, sha256: s3cret}]")
        tokens.reload()
        tokens.reload()
        path.unlink()
        tokens.reload()
        tokens.reload()
    assert is_known(tokens, new)
    assert [message.startswith("the tokens before stay in force: ") for message in caplog.messages] == [True, True]
    assert "s3cret" not in caplog.text
    write(path, one)
    tokens.reload()
    assert is_known(tokens, old)


def test_the_file_is_looked_after_by_itself(path):
    """Within a second or so."""
    (_, one), (new, other) = new_token("shop"), new_token("shop")
    write(path, one)
    tokens = tokens_of(path)
    tokens.start()
    try:
        write(path, other)
        for _ in range(100):
            if is_known(tokens, new):
                break
            tokens._background.stopping.wait(0.1)
        assert is_known(tokens, new)
    finally:
        tokens.shutdown()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tokens: [{tenant: shop, sha256: s3cret}]", r"tokens\[0\].sha256: expected the sha256 of a token in 64 hex"),
        (f"tokens: [{{tenant: a b, {GOOD}}}]", r"tokens\[0\].tenant: expected a name of letters"),
        (f"tokens: [{{tenant: a, {GOOD}, expires: soon}}]", r"expires: expected a time with its zone"),
        (f"tokens: [{{tenant: a, {GOOD}, expires: 2026-11-22T10:00:00}}]", r"expires: expected a time with its zone"),
        (f"tokens: [{{tenant: a, {GOOD}, signals: [spans]}}]", r"signals\[0\]: expected 'traces', 'metrics' or 'logs'"),
        (f"tokens: [{{tenant: a, {GOOD}}}, {{tenant: b, {GOOD.replace('a' * 64, 'A' * 64)}}}]", r"each token once"),
        ("[]", "expected a mapping"),
        ("{}", r"tokens: expected a value here"),
        ("", r"expected one YAML document, got 0"),
    ],
)
def test_a_file_that_is_none_of_tokens_stops_the_start(path, text, message):
    """With the place, and never with what may be a token."""
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_tokens(path)
    assert "s3cret" not in str(caught.value)


def test_a_new_token_has_256_bits_and_is_kept_as_its_digest_only():
    """Whoever reads the file cannot send."""
    token, lines = new_token("shop")
    assert (len(token), token in lines) == (43, False)
    assert token != new_token("shop")[0]
    with pytest.raises(ConfigError, match="--tenant: expected a name"):
        new_token("a b")


def test_the_readme_shows_a_file_of_tokens(path):
    """That can be copied."""
    readme = Path(receivers.otlp.__file__).with_name("README.md").read_text()
    path.write_text(re.search(r"```yaml\n(tokens:.*?)```", readme, re.DOTALL)[1])
    (grant,) = read_tokens(path).values()
    assert (grant.tenant, grant.signals) == ("shop", ("traces", "metrics", "logs"))
