"""`andon token new`: a token that is shown once, and what makes it known."""

import subprocess
import sys

from pipeline.clock import SystemClock
from receivers.otlp.config import AuthConfig
from receivers.otlp.tokens import Tokens, read_tokens


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program, as people start it."""
    command = [sys.executable, "-m", "pipeline.cli", "token", "new", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_new_token_opens_the_door_once_its_lines_stand_in_the_file(tmp_path):
    """What is to be kept goes to standard output, what is for people to the other."""
    done = run("--tenant", "shop")
    token, lines = done.stdout.split("\n", 1)
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens:\n{lines}")
    assert len(read_tokens(path)) == 1
    tokens = Tokens(AuthConfig(tokens_file=str(path)), SystemClock())
    assert tokens.grant(f"Bearer {token}").tenant == "shop"
    assert token not in lines


def test_a_name_that_no_tenant_can_have_is_refused():
    """With what a name looks like."""
    done = run("--tenant", "a b")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--tenant: expected a name of letters" in done.stderr
