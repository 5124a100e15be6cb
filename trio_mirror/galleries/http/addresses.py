"""Which hosts are not of the public internet, where no redirect from it may lead."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

# RFC 6052, section 2.1: the last four bytes are an IPv4 address.
_NAT64 = IPv6Network("64:ff9b::/96")


def is_private(host: str) -> bool:
    """Whether a host is an address of this machine, of its links or of a private network, or ``localhost``.

    Any other name is public as long as nobody has looked it up.
    """
    address = _address_of(host)
    if address is None:
        # RFC 6761, section 6.3.
        return f".{host.lower().rstrip('.')}".endswith(".localhost")
    # Python holds some multicast addresses for global, and the site-local ones of old.
    return not address.is_global or address.is_multicast or getattr(address, "is_site_local", False)


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    with suppress(ValueError):
        address = ip_address(host)
        return _inner_of(address) if isinstance(address, IPv6Address) else address
    with suppress(OSError, UnicodeError):
        # As the system's look-up takes it: 127.1, 0x7f000001, 2130706433.
        return IPv4Address(socket.inet_aton(host))
    return None


def _inner_of(address: IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address within an IPv6 one, where there is one that packets reach."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
