"""Why a request came to nothing, in words for the one whose endpoint it is."""

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientPayloadError,
    ClientResponseError,
    ServerDisconnectedError,
)

from shared.adapters.outbound.names import BlockedAddress
from shared.domain.verdict import Failure


def is_blocked(error: Exception) -> bool:
    """The guard stopped it."""
    return isinstance(error, ClientConnectorError) and isinstance(error.os_error, BlockedAddress)


def why(error: Exception) -> tuple[Failure, str]:
    """What went wrong, and the text that the attempt shows for it."""
    if is_blocked(error):
        return Failure.BLOCKED, Failure.BLOCKED.value
    if isinstance(error, ClientConnectorDNSError):
        return Failure.RESOLUTION, f"{Failure.RESOLUTION.value}: {error.os_error.strerror}"
    return Failure.CONNECTION, f"{Failure.CONNECTION.value}: {detail(error)}"


def detail(error: Exception) -> str:
    """What exactly went wrong with the connection."""
    match error:
        case ClientConnectorCertificateError():
            text = f"certificate not accepted: {error.certificate_error}"
        case ClientConnectorSSLError():
            text = f"no TLS: {error.os_error}"
        case ServerDisconnectedError():
            text = "connection closed before the response"
        case ClientPayloadError():
            text = "connection closed in the middle of the response"
        case ClientResponseError():
            text = f"response is not valid HTTP: {' '.join(error.message.split())}"
        case OSError() if error.strerror:
            text = error.strerror
        case _:
            text = str(error) or type(error).__name__
    return text
