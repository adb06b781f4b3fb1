"""Ports of the local stack: finding free ones, and saying who holds a taken one."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from driftline.errors import StackError

HOST = "127.0.0.1"
# Below the range from which operating systems take the ports of outgoing connections: a port found free here stays free
# for the seconds that a JVM needs to bind it.
_CANDIDATES = range(20_000, 32_000)


@dataclass(frozen=True)
class PortClaim:
    """A port that a service is about to bind, and the environment variable that chooses it."""

    port: int
    setting: str


def free_ports(count: int) -> list[int]:
    """`count` different ports of the loopback interface that nobody listens on now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_CANDIDATES, len(_CANDIDATES)):
        if len(found) == count:
            return found
        if is_free(port):
            found.append(port)
    message = f"no {count} free ports between {_CANDIDATES.start} and {_CANDIDATES.stop}"
    raise StackError(message)


def is_free(port: int) -> bool:
    """Whether a server could bind `port` on the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not count
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def is_open(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether something accepts connections at `host:port`."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def split_address(address: str, setting: str) -> tuple[str, int]:
    """`host:port` as its parts. Raises StackError that names `setting` when it is not of that form."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal():
        message = f"{setting}: expected host:port, not {address!r}"
        raise StackError(message)
    return host.strip("[]"), int(port)


def check_free(claims: Iterable[PortClaim]) -> None:
    """Raise StackError with one line on the first port that two services claim or that is taken."""
    claimed: dict[int, str] = {}
    for claim in claims:
        if claim.port in claimed:
            message = f"{claimed[claim.port]} and {claim.setting} are both {claim.port}; give each a port of its own"
            raise StackError(message)
        claimed[claim.port] = claim.setting
        if not is_free(claim.port):
            message = (
                f"port {claim.port} ({claim.setting}) is taken{_by_whom(claim.port)}; "
                f"stop it or set {claim.setting} to a free port"
            )
            raise StackError(message)


def _by_whom(port: int) -> str:
    """` by pid 123 (java)` where the operating system tells, else nothing."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or connection.pid is None or not connection.laddr:
                continue
            if connection.laddr[1] == port:
                return f" by pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return ""
