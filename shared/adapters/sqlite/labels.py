"""What lists by channel, by tag or by both are found under: the columns `channel` and `tag` of one index."""

from collections.abc import Sequence

from shared.domain.attempt import Attempt
from shared.domain.message import Message

Label = tuple[str, str]
"""A channel and a tag; `ANY` stands for what a list does not ask for."""

ANY = ""
"""No channel and no tag is empty."""


def labels(labelled: Message | Attempt) -> Sequence[Label]:
    """Every label that a message, or an attempt on it, is found under."""
    channels, tags = (ANY, *(labelled.channels or ())), (ANY, *(labelled.tags or ()))
    return [(channel, tag) for channel in channels for tag in tags][1:]  # the first asks for nothing


def label_of(channel: str | None, tag: str | None) -> Label | None:
    """The label that a list asks for; None if it asks for none."""
    return None if channel is None and tag is None else (channel or ANY, tag or ANY)
