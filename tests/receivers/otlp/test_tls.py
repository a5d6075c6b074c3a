"""TLS at both doors: certificates and client authorities that are changed while connections come."""

import http.client
import logging
import ssl

import grpc
import pytest

from fixtures.certificates import certificate
from fixtures.doors import EXPORT, PROTOBUF, doors, read_reply, request, send
from pipeline.errors import PermanentError

DOORS = ("grpc", "http")
both_doors = pytest.mark.parametrize("door", DOORS)


class Files:
    """A server's certificate, and those of two clients of which the server knows the first."""

    def __init__(self, folder, *, mutual=False):
        self.folder = folder
        self.cert, self.key = certificate(folder)
        self.clients = [certificate(folder, name) for name in ("one", "other")]
        self.known = folder / "known.pem"
        self.know(0)
        self.tls = {"cert_file": str(self.cert), "key_file": str(self.key)}
        if mutual:
            self.tls["client_ca_file"] = str(self.known)

    def know(self, number):
        """Let the server know this client only."""
        self.known.write_bytes(self.clients[number][0].read_bytes())

    def doors(self, **settings):
        """Doors that speak TLS only."""
        return doors(self.folder / "spool", protocols={door: {"tls": self.tls} for door in DOORS}, **settings)


def is_served(at, door, root, client=None):
    """Whether a new connection passes, to whom this root certificate is all it trusts."""
    try:
        return (over_grpc if door == "grpc" else over_http)(getattr(at, door).endpoint, root, client)
    except (grpc.RpcError, OSError):
        return False


def over_grpc(endpoint, root, client):
    """One call on a connection of its own."""
    cert, key = (path.read_bytes() for path in client) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(root, key, cert)
    target = endpoint.replace("127.0.0.1", "localhost")
    with grpc.secure_channel(target, credentials, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        return channel.unary_unary(EXPORT)(request("a"), timeout=5) == b""


def over_http(endpoint, root, client):
    """One request on a connection of its own."""
    context = ssl.create_default_context(cadata=root.decode())
    if client:
        context.load_cert_chain(*client)
    connection = http.client.HTTPSConnection(endpoint, timeout=5, context=context)
    try:
        connection.request("POST", "/v1/traces", request("a"), {"content-type": PROTOBUF})
        return read_reply(connection.getresponse()).code == 200
    finally:
        connection.close()


@both_doors
def test_tls_is_spoken_when_configured(tmp_path, door):
    """With our certificate as root a request passes; in the clear it does not."""
    files = Files(tmp_path)
    with files.doors() as at:
        assert is_served(at, door, files.cert.read_bytes())
        assert at.stored() == ["a"]
        if door == "grpc":
            assert send(at, "grpc", request("b")).code == "UNAVAILABLE"
        else:
            with pytest.raises((OSError, http.client.HTTPException)):
                send(at, "http/protobuf", request("b"))
        assert at.empty


@both_doors
def test_a_new_certificate_is_shown_to_new_connections(tmp_path, door):
    """Without a restart."""
    files = Files(tmp_path)
    with files.doors() as at:
        old = files.cert.read_bytes()
        assert is_served(at, door, old)
        certificate(tmp_path)
        assert is_served(at, door, files.cert.read_bytes())
        assert not is_served(at, door, old)


@both_doors
def test_a_pair_that_does_not_fit_leaves_the_last_one_in_force(tmp_path, caplog, door):
    """Certificate and key are two files, and one of them is changed first; that is told of once."""
    files = Files(tmp_path)
    with files.doors() as at, caplog.at_level(logging.WARNING, "andon"):
        old, key = files.cert.read_bytes(), files.key.read_bytes()
        certificate(tmp_path)
        new_key = files.key.read_bytes()
        files.key.write_bytes(key)
        assert [is_served(at, door, old), is_served(at, door, old)] == [True, True]
        assert [message for message in caplog.messages if "the certificate before stays in force" in message] == [
            caplog.messages[0]
        ]
        files.cert.rename(tmp_path / "away.pem")
        assert is_served(at, door, old)
        (tmp_path / "away.pem").rename(files.cert)
        files.key.write_bytes(new_key)
        assert is_served(at, door, files.cert.read_bytes())


@both_doors
def test_only_clients_of_the_authority_are_served(tmp_path, door):
    """Of the one that is in force when they connect; what was issued by the one before is worth nothing."""
    files = Files(tmp_path, mutual=True)
    root = files.cert.read_bytes()
    with files.doors() as at:
        served = [is_served(at, door, root, client) for client in (None, *files.clients)]
        files.know(1)
        served += [is_served(at, door, root, client) for client in (None, *files.clients)]
        assert served == [False, True, False, False, False, True]


@both_doors
def test_tls_files_that_cannot_be_read_stop_the_start(tmp_path, door):
    """The message names the door and the file."""
    tls = {"cert_file": str(tmp_path / "none.pem"), "key_file": str(tmp_path / "none.key")}
    with (
        pytest.raises(PermanentError, match=r"127.0.0.1:0: expected readable TLS files"),
        doors(tmp_path, protocols={door: {"tls": tls}}),
    ):
        pass
