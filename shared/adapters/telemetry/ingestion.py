"""The ingestion endpoint of Application Insights, by opencensus-ext-azure. Nothing else imports that.

Its owners have ended it, so of its parts we use those that stand by themselves: the options, the shapes of
envelopes, and the exchange with the endpoint. Not used, with the numbers of its open and closed issues:

    its queues and threads  what is dropped is not counted; they hang at exit (1125, 1126, 1112)
    its logging handlers    call themselves without end when the queue is full (1217); crash on Python 3.13
    its exporters           start a `statsbeat` that calls home every quarter of an hour (1151), and write to
                            the local disk, even when told not to (1208)
    its metrics             sums since the start, which nobody may add up, and no distributions

Everything here blocks, and is called on a thread of its own.
"""

import platform
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it asks Python for what later versions have renamed
    from opencensus.ext.azure.common import Options, protocol
    from opencensus.ext.azure.common.transport import TransportMixin, TransportStatusCode

from shared.adapters.telemetry.noted import Measure, Noted, is_number
from shared.ports.journal import ATTEMPTED, Fact

EXCHANGE_SECONDS = 10
"""How long the endpoint may be silent."""

ROLE = "heliograph"
TEXT_MAX_CHARACTERS = 8192
"""The longest value of a property that the service takes."""

SEVERITIES = {"debug": 0, "info": 1, "warning": 2, "error": 3, "critical": 4}
_TAGS = {"ai.cloud.role": ROLE, "ai.cloud.roleInstance": platform.node()}
_PREFIX = "Microsoft.ApplicationInsights."
_LIBRARY = "library.logged"

Envelope = Mapping[str, Any]


class Ingestion(TransportMixin):  # type: ignore[misc] # has no types
    """One resource of Application Insights."""

    def __init__(self, *, instrumentation_key: str, endpoint: str, credential: object | None = None) -> None:
        """Prepare; nothing is sent.

        Args:
            instrumentation_key: Names the resource.
            endpoint: Where it takes envelopes: scheme and host.
            credential: An azure-core `TokenCredential`, if the resource asks for one.
        """
        self.options = Options(
            connection_string=f"InstrumentationKey={instrumentation_key};IngestionEndpoint={endpoint}",
            credential=credential,
            enable_local_storage=False,
            timeout=EXCHANGE_SECONDS,
        )
        self.storage = _Again()
        self._key = instrumentation_key
        self._consecutive_redirects = 0

    def send(self, envelopes: Sequence[Envelope]) -> tuple[Sequence[Envelope], int]:
        """Hand envelopes over.

        Returns:
            Those that are to be sent again, and how many are lost for good; an estimate if only some were
            taken, since then it is not known how many were refused.
        """
        outcome = self._transmit(envelopes)
        again = self.storage.empty()
        if again:
            return again, 0
        if outcome == TransportStatusCode.RETRY:
            return envelopes, 0
        return (), 0 if outcome == TransportStatusCode.SUCCESS else len(envelopes)

    def envelope(self, noted: Noted) -> Envelope:
        """What is sent of a thing that was noted: a dependency, an exception, a log line or an event."""
        facts = {key: fact for key, fact in noted.facts.items() if fact is not None}
        if noted.event == ATTEMPTED:
            name, data = _dependency(facts)
        elif "error" in facts:
            name, data = _exception(noted.event, facts)
        elif noted.event == _LIBRARY:
            name, data = _message(facts)
        else:
            name, data = _event(noted.event, facts)
        tags = {
            "ai.operation.id": facts.get("trace_id"),
            "ai.operation.parentId": facts.get("parent_span_id"),
        }
        duration_ms = facts.get("duration_ms") if noted.event == ATTEMPTED else 0
        began_at = noted.at - timedelta(milliseconds=float(duration_ms or 0))
        return self._sealed(name, data, began_at, tags, noted.share)

    def metric(self, at: datetime, measure: Measure, properties: Mapping[str, str]) -> Envelope:
        """What is sent of a measure."""
        point = protocol.DataPoint(name=f"{ROLE}.{measure.name}", value=measure.value, count=measure.count)
        data = protocol.MetricData(metrics=[point], properties=dict(properties))
        return self._sealed("Metric", data, at, {}, 1.0)

    def _sealed(
        self, name: str, data: object, at: datetime, tags: Mapping[str, Fact], share: float
    ) -> Envelope:
        envelope: Envelope = protocol.Envelope(
            ver=1,
            name=_PREFIX + name,
            time=at.isoformat().replace("+00:00", "Z"),
            iKey=self._key,
            # By this the service knows how many an envelope stands for.
            sampleRate=share * 100,
            tags=_TAGS | {tag: value for tag, value in tags.items() if value is not None},
            data=protocol.Data(baseType=f"{type(data).__name__.removesuffix('Data')}Data", baseData=data),
        )
        return envelope

    def _check_stats_collection(self) -> bool:
        # True counts requests in memory and sends nothing, as no statsbeat was started. With False a time-out
        # is taken for an answer that cannot be read, and what was to be sent again is dropped.
        return True


class _Again:
    """Where the library puts what is to be sent again of a batch that was taken in part."""

    def __init__(self) -> None:
        self._envelopes: list[Envelope] = []

    def put(self, envelopes: Sequence[Envelope]) -> None:
        self._envelopes.extend(envelopes)

    def empty(self) -> Sequence[Envelope]:
        envelopes, self._envelopes = self._envelopes, []
        return envelopes


def _dependency(facts: Mapping[str, Fact]) -> tuple[str, object]:
    receiver = str(facts.get("receiver"))
    return "RemoteDependency", protocol.RemoteDependency(
        ver=2,
        name=f"POST {receiver}",
        id=facts["span_id"],
        resultCode=str(facts["status_code"]),
        duration=_duration(float(facts["duration_ms"] or 0)),
        success=facts["delivered"],
        type="HTTP",
        target=receiver.partition("://")[2],
        **_described(facts),
    )


def _exception(event: str, facts: Mapping[str, Fact]) -> tuple[str, object]:
    why = _short(facts.get("why") or facts["error"])
    exception: dict[str, object] = {
        "typeName": facts["error"],
        "message": why,
        "hasFullStack": False,
        "parsedStack": [],
    }
    return "Exception", protocol.ExceptionData(
        ver=2,
        exceptions=[exception],
        severityLevel=SEVERITIES["error"],
        **_described({"event": event, **facts}),
    )


def _message(facts: Mapping[str, Fact]) -> tuple[str, object]:
    severity = SEVERITIES.get(str(facts.get("level")), SEVERITIES["warning"])
    text = _short(facts.get("text"))
    return "Message", protocol.Message(ver=2, message=text, severityLevel=severity, **_described(facts))


def _event(event: str, facts: Mapping[str, Fact]) -> tuple[str, object]:
    return "Event", protocol.Event(ver=2, name=event, **_described(facts))


def _described(facts: Mapping[str, Fact]) -> Mapping[str, object]:
    """Numbers are measurements, everything else properties."""
    numbers = {key: fact for key, fact in facts.items() if is_number(fact)}
    texts = {key: _short(fact) for key, fact in facts.items() if key not in numbers}
    return {"properties": texts, "measurements": numbers}


def _short(fact: Fact) -> str:
    text = str(fact).lower() if isinstance(fact, bool) else str(fact)
    return text[:TEXT_MAX_CHARACTERS]


def _duration(milliseconds: float) -> str:
    """As .NET writes a time span, which the service reads: `days.hours:minutes:seconds.fraction`."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}.{hours:02}:{minutes:02}:{seconds:02}.{int(milliseconds * 1000):06}"
