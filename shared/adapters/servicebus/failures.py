"""What goes wrong at Service Bus, in the words of the domain."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from azure.servicebus.exceptions import (
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusServerBusyError,
)

from shared.domain.errors import HeliographError, TooLargeToQueue, Unavailable

PART = "queue"

CLOSED = "it is closed"
"""Why an adapter is out of reach after its end."""

BUSY_WAIT = timedelta(seconds=10)
"""How long the service asks to be left alone when it is busy: in its documentation, not on the wire."""


@contextmanager
def failures(queue: str) -> Iterator[None]:
    """Turn what the client raises into errors of ours.

    Raises:
        TooLargeToQueue: The service does not take so large a message.
        Unavailable: Whatever else is wrong.
        HeliographError: It was one already.
    """
    try:
        yield
    except TimeoutError as late:
        raise Unavailable(PART, f"{queue}: no answer in time") from late
    except MessageSizeExceededError as wrong:
        raise TooLargeToQueue(queue) from wrong
    except ServiceBusServerBusyError as busy:
        raise Unavailable(PART, f"{queue}: Service Bus is busy", BUSY_WAIT) from busy
    except MessagingEntityNotFoundError as gone:
        raise Unavailable(PART, f"the namespace has no queue {queue!r}; create it") from gone
    except (ServiceBusAuthenticationError, ServiceBusAuthorizationError) as refused:
        role = "does the identity have the role Azure Service Bus Data Owner?"
        raise Unavailable(PART, f"{queue}: Service Bus refuses our credential; {role}") from refused
    except HeliographError:
        raise
    except Exception as wrong:
        # The client stumbles in many ways when its link is lost while it is used.
        why = str(wrong).partition("\n")[0]
        raise Unavailable(PART, f"{queue}: {type(wrong).__name__}: {why}") from wrong
