"""Ports of loopback: free ones, and whether somebody listens."""

import socket


def free_ports(count: int) -> list[int]:
    """Ports nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def accepts(port: int) -> bool:
    """Whether somebody listens at `port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
