"""Names of this machine: which ones browsers may call a server by, and how its address is written.

Werkzeug's own check of hosts cuts its list off at colons, so that no IPv6 address is ever trusted.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_LOCAL = ("localhost", "127.0.0.1", "::1")
# A Host header: a name, IPv4 or IPv6 address, perhaps a port.
_HEADER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


def bare_host(host: str) -> str:
    """Return an address to bind without the brackets that IPv6 ones have in the address bar."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def is_everywhere(host: str) -> bool:
    """Whether a server at `host` is bound to all interfaces."""
    found = _address(host)
    return found is not None and found.is_unspecified


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server at `host`."""
    found = _address(host)
    return bare_host(host).lower() == "localhost" if found is None else found.is_loopback


def page_address(host: str, port: int) -> str:
    """Return the address of the page of a server at `host` and `port`."""
    host = bare_host(host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def trusted_hosts(host: str) -> list[str] | None:
    """Return the names under which browsers may reach a server at `host`; None: any.

    A request under another name may come from a page elsewhere whose name leads here.
    """
    return None if is_everywhere(host) else [*_LOCAL, host]


def is_trusted(header: str, trusted: Iterable[str] | None) -> bool:
    """Whether a request's Host header is one of the names in `trusted`; None: any that is a name.

    Ports, capitals and the several spellings of an IPv6 address make no difference.
    """
    found = _HEADER.fullmatch(header)
    if found is None:
        return False
    return trusted is None or _plain(found.group(1)) in _plain_names(trusted)


def _plain_names(names: Iterable[str]) -> Collection[str]:
    return {_plain(name) for name in names}


def _plain(name: str) -> str:
    """Return one spelling of a name or address."""
    found = _address(name)
    if found is not None:
        return found.compressed.partition("%")[0]
    try:
        return name.lower().encode("idna").decode("ascii")  # as browsers send it
    except UnicodeError:
        return name.lower()


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(bare_host(host))
    except ValueError:
        return None
