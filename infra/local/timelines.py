"""The timeline of a message, asked for over HTTP and written for a person."""

from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote

import msgspec

from functions.api.errors import HttpErrorOut
from functions.api.timeline import MessageTimelineOut, TimelineEndpointOut, TimelineStationOut
from shared.config import HOST, PORT, Settings

PATIENCE_SECONDS = 10.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to reach what listens there
"""Where a service is reached that listens on every address."""


class NoTimeline(Exception):
    """There is nothing to be told; the text says why, and what to do."""


def ask(settings: Settings, token: str, app: str, msg: str) -> MessageTimelineOut:
    """Ask the service that runs with the same settings.

    Args:
        settings: Where it listens.
        token: Good for the application.
        app: The application's id or uid.
        msg: The message's id or event id.

    Raises:
        NoTimeline: The service does not answer, or knows no such message.
    """
    host = ANYWHERE.get(settings.host, settings.host)
    connection = HTTPConnection(host, settings.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(
            "GET",
            f"/api/v1/app/{quote(app, safe='')}/msg/{quote(msg, safe='')}/timeline",
            headers={"Authorization": f"Bearer {token}"},
        )
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == HTTPStatus.OK:
            return msgspec.json.decode(body, type=MessageTimelineOut)
        raise NoTimeline(msgspec.json.decode(body, type=HttpErrorOut).detail)
    except (OSError, HTTPException, msgspec.MsgspecError) as wrong:
        raise NoTimeline(
            f"no service answers at {host} port {settings.port} ({wrong}); "
            f"start one, or set {HOST} and {PORT} to where it is"
        ) from wrong
    finally:
        connection.close()


def lines(timeline: MessageTimelineOut) -> Iterator[str]:
    """Write a timeline: a line for each station, and one for each endpoint."""
    names = {one.endpoint_id: one.uid or one.endpoint_id for one in timeline.endpoints}
    event = "" if timeline.event_id is None else f" {timeline.event_id}"
    yield f"{timeline.msg_id}{event} ({timeline.event_type}) at {timeline.at}"
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
        came = f"{attempt.status_text} {attempt.response_status_code}"
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
        words.append(f"until {endpoint.next_attempt}")
    return " ".join(words)
