"""What an emulator wants otherwise."""

from typing import Any

from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest


class PlainHttp(AioHttpTransport):  # type: ignore[misc]  # azure-core hides the type
    """Counts are asked for over HTTP without TLS, as emulators listen; the client itself knows only HTTPS."""

    async def send(self, request: HttpRequest, **options: Any) -> Any:  # noqa: ANN401  as its parent
        request.url = request.url.replace("https://", "http://", 1)
        return await super().send(request, **options)
