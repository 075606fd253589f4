"""The timeline of a message, asked for over HTTP and written for a person."""

from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from functions.api.timeline import MessageTimelineOut, TimelineEndpointOut, TimelineStationOut
from infra.local.asking import ask


def ask_for(url: str, token: str, app: str, msg: str) -> MessageTimelineOut:
    """Ask a service.

    Args:
        url: Where it is.
        token: Good for the application.
        app: The application's id or uid.
        msg: The message's id or event id.

    Raises:
        NoAnswer: The service does not answer, or knows no such message.
    """
    path = f"/app/{quote(app, safe='')}/msg/{quote(msg, safe='')}/timeline"
    return ask(url, token, f"GET {path}", MessageTimelineOut)


def lines(timeline: MessageTimelineOut) -> Iterator[str]:
    """Write a timeline: a line for each station, and one for each endpoint."""
    names = {one.endpoint_id: one.uid or one.endpoint_id for one in timeline.endpoints}
    event = "" if timeline.event_id is None else f" {timeline.event_id}"
    yield f"{timeline.msg_id}{event} ({timeline.event_type}) as of {timeline.at}"
    yield f"trace {timeline.trace_id}"
    yield ""
    for station in timeline.stations:
        yield _station(station, names)
    yield ""
    for endpoint in timeline.endpoints:
        yield _endpoint(endpoint)
    if not timeline.complete:
        yield "… and more than can be shown"


def _station(station: TimelineStationOut, names: dict[str, str]) -> str:
    words = [f"{station.at or 'some time':<27}", f"{station.kind:<18}"]
    if isinstance(station.endpoint_id, str):
        words.append(names.get(station.endpoint_id, station.endpoint_id))
    attempt = station.attempt
    if not isinstance(attempt, msgspec.UnsetType):
        number = f"attempt {attempt.number}" if attempt.number else "by hand"
        what = attempt.response_status_code or attempt.failure or "without an answer"
        came = f"{attempt.status_text} {what}"
        words.append(f"{number}: {came} after {attempt.response_duration_ms} ms")
    if not isinstance(station.why, msgspec.UnsetType):
        words.append(station.why)
    if station.planned:
        words.append("(planned)")
    return " ".join(words).rstrip()


def _endpoint(endpoint: TimelineEndpointOut) -> str:
    words = [endpoint.uid or endpoint.endpoint_id, endpoint.url, endpoint.standing]
    if endpoint.why:
        words.append(f"({', '.join(endpoint.why)})")
    if endpoint.next_attempt is not None:
        words.append(f"again at {endpoint.next_attempt}")
    return " ".join(words)
