"""What a URL says about where to send, worked out once per URL."""

from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import ada_url

TARGETS_KEPT = 4096
"""How many URLs are remembered: those of every endpoint that is busy at the moment, in a few MiB."""

PORTS = {"http:": 80, "https:": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send.

    Attributes:
        origin: Scheme, host and port: what one connection can be used for.
        host: A name, or an address in its usual form, without the brackets of IPv6.
        authority: Host and port as the `Host` header names them.
        path: Path and query, exactly as they are to be sent.
        authorization: The header that follows from the URL's credentials, else None.
    """

    origin: str
    is_secure: bool
    host: str
    port: int
    authority: str
    path: str
    authorization: str | None = field(repr=False)


@lru_cache(maxsize=TARGETS_KEPT)
def target_of(url: str) -> Target:
    """Take a URL apart.

    The parser is the one that checked the URL when it was stored: two parsers that see different hosts in one
    URL are a way around the guard. It also turns every way to write an IPv4 address (`0x7f.1`, `2130706433`)
    into the usual one.

    Raises:
        ValueError: It is not an http or https URL.
    """
    parsed = ada_url.URL(url)
    if parsed.protocol not in PORTS:
        raise ValueError(f"{parsed.protocol} is not http: or https:")
    authorization = None
    if parsed.username or parsed.password:
        credentials = unquote_to_bytes(parsed.username) + b":" + unquote_to_bytes(parsed.password)
        authorization = f"Basic {b64encode(credentials).decode()}"
    return Target(
        origin=f"{parsed.protocol}//{parsed.host}",
        is_secure=parsed.protocol == "https:",
        host=parsed.hostname.strip("[]"),
        port=int(parsed.port or PORTS[parsed.protocol]),
        authority=parsed.host,
        path=parsed.pathname + parsed.search,
        authorization=authorization,
    )
