"""The proxies that the environment names (``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``)."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address, ip_network
from urllib.request import getproxies, proxy_bypass

import httpx

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.urls import host_of, parse_url

_SCHEMES = ("http://", "https://", "socks5://", "socks5h://")


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy for a URL, or None where requests go straight to its host.

    Raises:
        SettingsError: it cannot be used; the message does not repeat it, as it may hold a password.
    """
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    host = host_of(url)
    # What is left out is named with or without its port, and in IPv6 with or without brackets.
    if proxy is None or proxy_bypass(host) or proxy_bypass(url.netloc.decode("ascii")):
        return None
    # Networks, such as 10.0.0.0/8, may be left out too, as curl has them.
    if any(_is_in(entry, host) for entry in proxies.get("no", "").replace(",", " ").split() if "/" in entry):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not proxy.lower().startswith(_SCHEMES):
        raise SettingsError(f"the environment's proxy for {url.scheme}:// is not one of {', '.join(_SCHEMES)}")
    try:
        parse_url(proxy)
    except httpx.InvalidURL as error:
        raise SettingsError(f"the environment's proxy for {url.scheme}:// is not a valid URL") from error
    return proxy


def _is_in(network: str, host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host) in ip_network(network, strict=False)
    return False
