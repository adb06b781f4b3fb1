import os
import socket

import pytest

from console.local.ports import PortClaim, check_free, free_ports, is_free, is_open, split_address
from driftline.errors import StackError


def test_free_ports_differ_and_can_be_bound() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)


def test_a_taken_port_names_its_setting_and_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_open("127.0.0.1", port)
        with pytest.raises(StackError) as caught:
            check_free([PortClaim(port, "DRIFTLINE_KAFKA_PORT")])
    message = str(caught.value)
    assert message.startswith(f"port {port} (DRIFTLINE_KAFKA_PORT) is taken by pid {os.getpid()} (")
    assert message.endswith("stop it or set DRIFTLINE_KAFKA_PORT to a free port")
    assert "\n" not in message


def test_a_listener_on_every_interface_takes_the_port_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104
        assert not is_free(server.getsockname()[1])


def test_two_services_cannot_claim_one_port() -> None:
    (port,) = free_ports(1)
    with pytest.raises(StackError, match="DRIFTLINE_REDIS_PORT and DRIFTLINE_GRPC_PORT are both"):
        check_free([PortClaim(port, "DRIFTLINE_REDIS_PORT"), PortClaim(port, "DRIFTLINE_GRPC_PORT")])


@pytest.mark.parametrize("address", ["kafka", "kafka:", ":9092", "kafka:port"])
def test_an_address_without_host_and_port_names_its_setting(address: str) -> None:
    with pytest.raises(StackError, match="DRIFTLINE_KAFKA_BOOTSTRAP"):
        split_address(address, "DRIFTLINE_KAFKA_BOOTSTRAP")


def test_an_address_may_be_ipv6() -> None:
    assert split_address("[::1]:9092", "X") == ("::1", 9092)
