"""What an emulator wants otherwise."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest

COUNTS_PORT = 5300
"""Where Microsoft's emulator tells how many messages a queue has."""


class PlainHttp(AioHttpTransport):  # type: ignore[misc]  # azure-core hides the type
    """Counts are asked for over HTTP without TLS, as emulators listen; the client itself knows only HTTPS."""

    async def send(self, request: HttpRequest, **options: Any) -> Any:  # noqa: ANN401  as its parent
        asked = urlsplit(request.url)
        host = asked.netloc if asked.port else f"{asked.netloc}:{COUNTS_PORT}"
        request.url = urlunsplit(asked._replace(scheme="http", netloc=host))
        return await super().send(request, **options)
