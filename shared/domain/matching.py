"""Which endpoints a message goes to."""

from shared.domain.endpoint import Endpoint


def wants(endpoint: Endpoint, event_type: str, channels: frozenset[str] | None) -> bool:
    """Whether an endpoint is to get a message.

    It must be enabled, want the event type (or every one), and, if it filters by channel, share one with
    the message. So a message without channels reaches no endpoint that has channels.
    """
    if endpoint.disabled or not wants_type(endpoint, event_type):
        return False
    return wants_channels(endpoint, channels)


def wants_type(endpoint: Endpoint, event_type: str) -> bool:
    """Whether an endpoint is for messages of an event type."""
    return endpoint.event_types is None or event_type in endpoint.event_types


def wants_channels(endpoint: Endpoint, channels: frozenset[str] | None) -> bool:
    """Whether an endpoint is for messages on some channels, or on none."""
    return endpoint.channels is None or not endpoint.channels.isdisjoint(channels or ())
