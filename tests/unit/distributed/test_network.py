"""Addresses, ports and interfaces, on this machine's own sockets."""

import socket
from contextlib import ExitStack, closing

import pytest

from palm.distributed import network
from palm.errors import ConfigError


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "10.0.0.1:", ":29500", "10.0.0.1:0", "10.0.0.1:65536", "fe80::1:29500", "a:b"]
)
def test_a_master_without_host_and_port_is_refused(text):
    with pytest.raises(ConfigError) as refused:
        network.parse_master(text)
    assert str(refused.value) == (
        f"--master: an IPv4 address or a host name, and a port, are expected, such as 10.0.0.1:29500. Found `{text}`."
    )


def test_a_host_name_is_resolved():
    assert network.parse_master("localhost:29500") == ("127.0.0.1", 29500)


def test_a_host_name_without_address_is_refused():
    with pytest.raises(ConfigError, match=r"--master: `no-such-host\.invalid` has no IPv4 address .* Give an address"):
        network.parse_master("no-such-host.invalid:29500")


def test_the_master_is_on_machine_0():
    network.check_master_here("127.0.0.1", network.free_port())
    with pytest.raises(ConfigError, match=r"address of the machine with --node_rank 0\. Found 192\.0\.2\.1"):
        network.check_master_here("192.0.2.1", 29500)  # RFC 5737: documentation only


def test_a_port_in_use_is_refused():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use. Choose another port"):
            network.check_master_here("127.0.0.1", port)


def test_loopback_is_reached_by_the_loopback_interface():
    assert network.own_address_towards("127.0.0.1") == "127.0.0.1"
    name = network.interface_towards("127.0.0.1")
    assert name in [name for _, name in socket.if_nameindex()]
    assert name == "lo"


def test_an_address_without_a_route_has_no_interface(monkeypatch):
    monkeypatch.setattr(network, "own_address_towards", lambda address: "192.0.2.7")
    assert network.interface_towards("192.0.2.1") is None


def test_only_connections_of_the_port_send_at_once():
    with ExitStack() as sockets:
        server, elsewhere = (sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        client, other = (
            sockets.enter_context(socket.create_connection(each.getsockname())) for each in (server, elsewhere)
        )
        accepted = sockets.enter_context(closing(server.accept()[0]))
        assert network.send_at_once(server.getsockname()[1]) == 2
        no_delay = [one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0 for one in (client, accepted, other)]
        assert no_delay == [True, True, False]
