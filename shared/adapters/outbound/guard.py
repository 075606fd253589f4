"""Which addresses a receiver must not have.

A webhook's URL is written by a stranger, and we stand inside a network that strangers must not see. So every
address that is not a public one is blocked, whether it stands in the URL or behind a name.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network

BLOCKED_V4 = tuple(
    IPv4Network(subnet)
    for subnet in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # private, of a carrier
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # looks public; Azure tells its machines about themselves here
        "169.254.0.0/16",  # link-local; clouds answer with credentials here
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays to 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

BLOCKED_V6 = tuple(
    IPv6Network(subnet)
    for subnet in (
        # Public addresses have been given out of 2000::/3 alone. Around it lie the unspecified one and
        # loopback, IPv4 addresses in many disguises (::/96, ::ffff:0:0:0/96, 64:ff9b::/96), private,
        # link-local, site-local and multicast ones, and what has no meaning yet.
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # protocol assignments: Teredo, which wraps an IPv4 address, benchmarks, who is nearest
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)


def blocked(address: Address, allow: Iterable[Subnet] = ()) -> bool:
    """Whether no request may go to an address.

    Args:
        address: Where a connection would go. An IPv6 address that only wraps an IPv4 address (`::ffff:…`)
            is judged as that one, because that is where the packets go.
        allow: Subnets that the operator lets through in spite of the table.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    table: Iterable[Subnet] = BLOCKED_V4 if isinstance(address, IPv4Address) else BLOCKED_V6
    return any(address in subnet for subnet in table) and not any(address in subnet for subnet in allow)
