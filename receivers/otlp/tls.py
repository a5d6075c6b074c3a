"""Certificates that are changed while connections come: files in PEM, read again when they are no longer the same.

In: a `TlsConfig`. Out: what each transport wants of it, as the files are when a connection is made. Promised: a pair
that does not fit, or cannot be read, leaves the last good one in force, and is told of once; connections that stand are
left alone; sessions are not resumed, since that would pass by a client CA that was taken away.
"""

import logging
import ssl
import threading
from dataclasses import dataclass

import grpc

from pipeline.errors import PermanentError
from receivers.otlp.config import TlsConfig
from receivers.otlp.files import signature

log = logging.getLogger("andon")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One state of the files, for either transport."""

    context: ssl.SSLContext
    grpc: grpc.ServerCertificateConfiguration


class Certificates:
    """The files of one door."""

    def __init__(self, config: TlsConfig, endpoint: str) -> None:
        """Read them.

        Raises:
            PermanentError: they cannot be read, or do not fit together.
        """
        self._config = config
        self._paths = [path for path in (config.cert_file, config.key_file, config.client_ca_file) if path]
        self._lock = threading.Lock()
        self._seen = signature(self._paths)
        try:
            self._material = self._read()
        except OSError as error:
            raise PermanentError(f"{endpoint}: expected readable TLS files, got: {error}") from error

    def context(self) -> ssl.SSLContext:
        """A context for a server; whatever it began with, each connection is given the files as they are then."""
        context = self._material.context

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._current().context

        context.sni_callback = choose
        return context

    def credentials(self) -> grpc.ServerCredentials:
        """The same for grpcio."""
        return grpc.dynamic_ssl_server_credentials(
            self._material.grpc, lambda: self._current().grpc, self._config.client_ca_file is not None
        )

    def _current(self) -> Material:
        with self._lock:
            seen = signature(self._paths)
            if seen != self._seen:
                self._seen = seen
                self._renew()
            return self._material

    def _renew(self) -> None:
        try:
            self._material = self._read()
        except OSError as error:
            log.warning("%s: the certificate before stays in force: %s", self._config.cert_file, error)
        else:
            log.info("%s: the new certificate is in force", self._config.cert_file)

    def _read(self) -> Material:
        config = self._config
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(config.cert_file, config.key_file)
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
        ca = None
        if config.client_ca_file is not None:
            ca = config.client_ca_file.read_bytes()
            context.load_verify_locations(config.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        pair = (config.key_file.read_bytes(), config.cert_file.read_bytes())
        return Material(context=context, grpc=grpc.ssl_server_certificate_configuration([pair], ca))
