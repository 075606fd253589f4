"""What `heliograph serve` says when it is up: where it is, and lines to paste that show it at work."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from shared.config import ALLOW_SUBNETS, Settings

MESSAGE = '{"eventType":"order.created","payload":{"id":1},"application":{"name":"Demo","uid":"demo"}}'
ENDPOINT = '{"url":"http://127.0.0.1:9000/"}'

_LOOPBACK = ip_address("127.0.0.1")
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what is set, and where it is reached from here
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def is_private(settings: Settings) -> bool:
    """Whether only this machine reaches the service. Where others do, output is kept and read by many."""
    return settings.host in _LOCAL_HOSTS


@dataclass(frozen=True, slots=True)
class Banner:
    """The text. Every curl line works when it is pasted by itself.

    Attributes:
        port: Where it listens; the settings may have left the choice to the system.
        token: Of an organization; None if none can be made here, or it is not for this output.
        is_coloured: Whether it goes to a terminal.
    """

    version: str
    settings: Settings
    port: int
    token: str | None
    is_coloured: bool

    def __str__(self) -> str:
        return "\n".join(self._lines())

    @property
    def url(self) -> str:
        """Where a program on this machine reaches the service."""
        host = _ANY_ADDRESS.get(self.settings.host, self.settings.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def _lines(self) -> Iterator[str]:
        allowed = ", ".join(str(subnet) for subnet in self.settings.allow_subnets)
        yield ""
        yield self._bold(f"Heliograph {self.version} is listening on {self.url}")
        yield ""
        yield f"  docs      {self.url}/docs"
        yield f"  database  {self.settings.place}"
        yield f"  calls     {f'public addresses, and also {allowed}' if allowed else 'public addresses only'}"
        yield f"  token     {self.token or self._no_token()}"
        yield ""
        yield self._dim('Post a message. The first one makes the application "demo":')
        yield self._curl("msg", MESSAGE)
        yield ""
        if self._may_call_this_machine():
            yield self._dim("Have messages delivered to a receiver of yours on port 9000, then post again:")
            yield self._curl("endpoint", ENDPOINT)
        else:
            yield self._dim("To deliver to a receiver on this machine, start with this setting:")
            yield f"  {ALLOW_SUBNETS}=127.0.0.1/32,::1/128"
        yield ""

    def _curl(self, path: str, body: str) -> str:
        token = self.token or "$TOKEN"
        return (
            f"curl -sSw '\\n' {self.url}/api/v1/app/demo/{path} "
            f"-H \"Authorization: Bearer {self._dim(token)}\" -d '{body}'"
        )

    def _no_token(self) -> str:
        if is_private(self.settings):
            return "made elsewhere, for HELIOGRAPH_JWT_SECRET is a public key; put it into TOKEN"
        return "not shown, since other machines may reach the service: TOKEN=$(heliograph token)"

    def _may_call_this_machine(self) -> bool:
        return any(_LOOPBACK in subnet for subnet in self.settings.allow_subnets)

    def _bold(self, text: str) -> str:
        return f"{_BOLD}{text}{_PLAIN}" if self.is_coloured else text

    def _dim(self, text: str) -> str:
        return f"{_DIM}{text}{_PLAIN}" if self.is_coloured else text
