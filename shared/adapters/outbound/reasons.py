"""Why a request came to nothing, in words for the one whose endpoint it is."""

import os
import ssl

from shared.adapters.outbound.connection import ConnectionLost
from shared.adapters.outbound.connections import BlockedAddress
from shared.adapters.outbound.exchange import NotHTTP
from shared.adapters.outbound.names import Unresolved
from shared.domain.verdict import Failure


def why(error: Exception) -> tuple[Failure, str]:
    """What went wrong, and the text that the attempt shows for it."""
    match error:
        case BlockedAddress():
            return Failure.BLOCKED, Failure.BLOCKED.value
        case Unresolved():
            return Failure.RESOLUTION, f"{Failure.RESOLUTION.value}: {error}"
        case _:
            return Failure.CONNECTION, f"{Failure.CONNECTION.value}: {detail(error)}"


def detail(error: Exception) -> str:
    """What exactly went wrong with the connection."""
    match error:
        case ssl.SSLCertVerificationError():
            text = f"certificate not accepted: {error.verify_message}"
        case ssl.SSLError():
            text = f"no TLS: {error.reason or error}"
        case NotHTTP():
            text = f"response is not valid HTTP: {error}"
        case ConnectionLost():
            text = f"{error}"
        case OSError() if error.errno:
            text = os.strerror(error.errno)
        case _:
            text = str(error) or type(error).__name__
    return text
