"""ClickHouse over TLS, with a certificate of an authority that is only known here."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

from fixtures.certificates import certificate
from fixtures.engine import READONLY_PASSWORD, READONLY_USERNAME, Engine
from fixtures.relay import relay

CONFIG = """
clickhouse:
  endpoint: https://{address}
  reader: {{username: {username}, password: {password}}}
  timeout: 5s
"""


def ask(config: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`andon sql`, as somebody with these variables."""
    command = [sys.executable, "-m", "pipeline.cli", "sql", "SELECT 1 AS n", "--json", "--config", str(config)]
    said = os.environ | environment
    return subprocess.run(command, env=said, capture_output=True, text=True, timeout=60, check=False)


def test_an_authority_of_ones_own_is_trusted_by_ssl_cert_file_and_no_other(clickhouse: Engine, tmp_path: Path) -> None:
    """As the chart's `clickhouse.ca` sets it; without it nothing is sent."""
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    config = tmp_path / "andon.yaml"
    with relay(f"{clickhouse.host}:{clickhouse.port}", context) as between:
        text = CONFIG.format(address=between.address, username=READONLY_USERNAME, password=READONLY_PASSWORD)
        config.write_text(text)
        refused = ask(config)
        assert refused.returncode == 1
        assert "certificate verify failed" in refused.stderr
        assert between.heard == b""
        trusted = ask(config, SSL_CERT_FILE=str(cert))
        assert trusted.returncode == 0, trusted.stderr
        assert trusted.stdout == '{"n": 1}\n'
