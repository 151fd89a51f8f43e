"""Addresses of a run over several machines: the master's, a free port, the network interface that reaches it."""

import errno
import os
import socket
import struct
from contextlib import closing, suppress

from palm.errors import ConfigError, Problem

LOOPBACK = "127.0.0.1"
INTERFACE = "GLOO_SOCKET_IFNAME"

_SIOCGIFADDR = 0x8915  # <linux/sockios.h>: the IPv4 address of an interface
_DISCARD_PORT = 9  # nothing is sent: connecting a datagram socket only looks up the route


def parse_master(text: str) -> tuple[str, int]:
    """IPv4 address and port of `host:port`.

    Raises:
        ConfigError: It has another form, or the name has no IPv4 address.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16 or ":" in host:
        rule = "an IPv4 address or a host name, and a port, are expected, such as 10.0.0.1:29500."
        raise ConfigError(Problem("--master", f"{rule} Found `{text}`."))
    try:
        return socket.gethostbyname(host), int(port)
    except OSError as error:
        rule = f"`{host}` has no IPv4 address that this machine knows ({error})."
        raise ConfigError(Problem("--master", f"{rule} Give an address, such as 10.0.0.1:{port}.")) from error


def check_master_here(address: str, port: int) -> None:
    """Check that this machine can listen at the master's address.

    Raises:
        ConfigError: It has no such address, or the port is taken.
    """
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = f"port {port} of {address} is in use. Choose another port, the same one on all machines."
            elif error.errno == errno.EADDRNOTAVAIL:
                rule = "it is an address of the machine with --node_rank 0."
                message = f"{rule} Found {address}, which this machine does not have."
            else:
                message = f"this machine cannot listen at {address}:{port} ({error.strerror}). Choose another port."
            raise ConfigError(Problem("--master", message)) from error


def free_port(address: str = LOOPBACK) -> int:
    """A port of `address` that was free a moment ago."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as server:
        server.bind((address, 0))
        return int(server.getsockname()[1])


def own_address_towards(address: str) -> str:
    """The address of this machine that peers see when it talks to `address`; loopback without a route."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe, suppress(OSError):
        probe.connect((address, _DISCARD_PORT))
        return str(probe.getsockname()[0])
    return LOOPBACK


def interface_towards(address: str) -> str | None:
    """The network interface that reaches `address`, such as `eth0`; None where it is not found.

    gloo listens at the address that the machine's own name has, which is loopback in most containers: ranks of other
    machines are then refused, unless `GLOO_SOCKET_IFNAME` names this interface.
    """
    own = own_address_towards(address)
    return next((name for _, name in socket.if_nameindex() if _address_of(name) == own), None)


def send_at_once(port: int) -> int:
    """Have this process's connections at `port`, its own or the peer's, send small messages without delay.

    Paddle's store sends a request in parts, so that with the system's default a request waits 40 ms for the
    acknowledgement of the part before: 88 ms instead of 0.2 ms for each value read. Call it once it is connected.

    Returns:
        The number of connections; 0 where the system is not Linux.
    """
    try:
        files = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return 0
    return sum(_set_no_delay(file, port) for file in files)


def _set_no_delay(file: int, port: int) -> bool:
    with suppress(OSError), closing(socket.socket(fileno=os.dup(file))) as connection:
        if connection.family == socket.AF_INET and connection.type == socket.SOCK_STREAM:
            ends = connection.getsockname(), connection.getpeername()  # OSError for one that listens
            if port in (ends[0][1], ends[1][1]):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return True
    return False


def _address_of(interface: str) -> str | None:
    """The IPv4 address of an interface; None without one, and where the system is not Linux."""
    try:
        import fcntl  # noqa: PLC0415 (not on Windows)

        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as query:
            answer = fcntl.ioctl(query.fileno(), _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
    except (ImportError, OSError):
        return None
    return socket.inet_ntoa(answer[20:24])
