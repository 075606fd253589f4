"""The guard's table: which addresses are out of reach for a receiver."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis.strategies import ip_addresses

from shared.adapters.outbound.guard import blocked

LOOPBACK = ip_network("127.0.0.1/32")

# The first and the last address of every blocked range.
BLOCKED = """
0.0.0.0 0.255.255.255
10.0.0.0 10.255.255.255
100.64.0.0 100.127.255.255
127.0.0.0 127.0.0.1 127.255.255.255
168.63.129.16
169.254.0.0 169.254.169.254 169.254.255.255
172.16.0.0 172.31.255.255
192.0.0.0 192.0.0.255
192.0.2.0 192.0.2.255
192.88.99.0 192.88.99.255
192.168.0.0 192.168.255.255
198.18.0.0 198.19.255.255
198.51.100.0 198.51.100.255
203.0.113.0 203.0.113.255
224.0.0.0 239.255.255.255
240.0.0.0 255.255.255.255
:: ::1
::2 ::a00:1 ::ffff:0:a00:1 64:ff9a:: 1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
64:ff9b:: 64:ff9b::a00:1 64:ff9b::ffff:ffff
64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff
100:: 100::ffff:ffff:ffff:ffff
2001:: 2001:0:a00:1:: 2001:2:: 2001:20:: 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff
2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff
2002:: 2002:a00:1:: 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff
4000:: 5f00:: 5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff
fc00:: fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
fe80:: fe80::1%eth0 febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff
fec0:: feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
ff00:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
::ffff:10.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254
"""

# The neighbours of the ranges, and some that everybody knows.
OPEN = """
1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0
192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
1.1.1.1 8.8.8.8 20.50.2.1 168.63.129.15 168.63.129.17
2000:: 2001:200:: 2001:db7:ffff:: 2001:db9:: 2001:ffff:: 2003:: 3ffe:ffff:: 3fff:1000:: 3fff:ffff::
2606:4700:4700::1111 2a01:111::1 ::ffff:8.8.8.8
"""


@pytest.mark.parametrize("address", BLOCKED.split())
def test_an_address_that_is_not_public_is_blocked(address: str) -> None:
    assert blocked(ip_address(address))


@pytest.mark.parametrize("address", OPEN.split())
def test_a_public_address_is_open(address: str) -> None:
    assert not blocked(ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_the_operator_can_let_a_subnet_through(address: str) -> None:
    """A receiver on the developer's own machine is what most people try first."""
    assert not blocked(ip_address(address), [LOOPBACK])


@pytest.mark.parametrize("address", ["127.0.0.2", "::1", "10.0.0.1", "::ffff:10.0.0.1"])
def test_letting_one_subnet_through_opens_no_other(address: str) -> None:
    assert blocked(ip_address(address), [LOOPBACK])


@given(address=ip_addresses(v=4))
def test_an_address_is_judged_alike_when_ipv6_wraps_it(address: IPv4Address) -> None:
    """Otherwise `[::ffff:10.0.0.1]` would be the way around the whole table."""
    assert blocked(ip_address(f"::ffff:{address}")) == blocked(address)


@given(address=ip_addresses(v=4))
def test_what_python_knows_to_be_not_public_is_blocked(address: IPv4Address) -> None:
    """A second opinion, maintained by somebody else."""
    assert blocked(address) or (address.is_global and not address.is_multicast)


@given(address=ip_addresses(v=6))
def test_what_python_knows_to_be_not_public_is_blocked_in_ipv6_too(address: IPv6Address) -> None:
    assume(address.ipv4_mapped is None)  # those are judged alike, as above
    assert blocked(address) or (address.is_global and not address.is_multicast)
