"""Which endpoints a message goes to."""

from shared.domain.endpoint import Endpoint


def wants(endpoint: Endpoint, event_type: str, channels: frozenset[str] | None) -> bool:
    """Whether an endpoint is to get a message.

    It must be enabled, want the event type (or every one), and, if it filters by channel, share one with
    the message. So a message without channels reaches no endpoint that has channels.
    """
    if endpoint.disabled:
        return False
    if endpoint.event_types is not None and event_type not in endpoint.event_types:
        return False
    return endpoint.channels is None or not endpoint.channels.isdisjoint(channels or ())
