"""The OpenAPI document against the running service: what it says is what is served.

schemathesis reads the document, makes requests of it, right ones and wrong ones, and holds every answer to
it: no 5xx, no status, type or shape of an answer that the document does not name.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, CheckFunction, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from svix.api import ApplicationIn, EndpointIn, EventTypeIn, MessageIn, OperationalWebhookEndpointIn

from tests.emulators.azure import Azure
from tests.journeys.running import JWT_SECRET, Running, eventually

Described: TypeAlias = APIOperation[Any, Any, Any, Any]
Asked: TypeAlias = Case[Any]

NOBODY = "http://127.0.0.1:1/"
"""Nobody listens there: an attempt is over at once."""

SAME_EACH_TIME = settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""So many right requests and so many wrong ones for each operation. No smaller one is searched for when one
fails: each meets what those before it have left behind."""

PROMISES: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

BODIES: Mapping[str, Any] = {
    "v1.application.create": {"name": "Acme"},
    "v1.application.patch": {"name": "Acme & Co"},
    "v1.application.upsert": {"name": "Acme"},
    "v1.endpoint.create": {"url": NOBODY},
    "v1.endpoint.patch": {"description": "Invoices"},
    "v1.endpoint.patch-headers": {"headers": {"X-Api-Key": None}},
    "v1.endpoint.bulk-replay": {"since": "2099-01-01T00:00:00Z"},
    "v1.endpoint.recover": {"since": "2099-01-01T00:00:00Z"},
    "v1.endpoint.replay-missing": {"since": "2099-01-01T00:00:00Z"},
    "v1.endpoint.send-example": {"eventType": "invoice.paid"},
    "v1.endpoint.set-headers": {"headers": {"X-Api-Key": "k"}},
    "v1.endpoint.upsert": {"url": NOBODY},
    "v1.event-type.create": {"name": "invoice.sent", "description": ""},
    "v1.event-type.import-openapi": {"specRaw": "webhooks: {invoice.lost: {post: {}}}"},
    "v1.event-type.patch": {"deprecated": True},
    "v1.event-type.upsert": {"description": "", "schemas": {"1": {"examples": [{"amount": 1200}]}}},
    "v1.operational-webhook.endpoint.create": {"url": NOBODY},
    "v1.operational-webhook.endpoint.patch-headers": {"headers": {"X-Api-Key": None}},
    "v1.operational-webhook.endpoint.set-headers": {"headers": {"X-Api-Key": "k"}},
    "v1.operational-webhook.endpoint.upsert": {"url": NOBODY},
    "v1.statistics.aggregate-app-stats": {
        "since": "2026-11-01T00:00:00Z",
        "until": "2099-12-01T00:00:00Z",
    },
    "v1.message.create": {"eventType": "invoice.paid", "payload": {"amount": 1200}},
    "v1.message.precheck": {"eventType": "invoice.paid"},
}
"""A body for every operation that needs more than `{}`."""


class Sender:
    """Who sends requests.

    Attributes:
        session: Its connection, with its token.
        stock: Something of every kind that it has, by the name of its id in paths.
    """

    def __init__(self, token: str, stock: Mapping[str, str]) -> None:
        self.session = requests.Session()
        self.session.headers["authorization"] = f"Bearer {token}"
        self.stock = stock


@pytest_asyncio.fixture
async def service(tmp_path: Path, profile: Azure | None) -> AsyncIterator[Running]:
    async with Running(tmp_path, azure=profile, jwt_secret=JWT_SECRET) as service:
        service.knows_nobody()
        yield service


@pytest_asyncio.fixture
async def stock(service: Running) -> Mapping[str, str]:
    return await stocked(service)


async def stocked(service: Running) -> Mapping[str, str]:
    """Something of every kind, by the name of its id in paths."""
    svix = service.svix()
    event_type = await svix.event_type.create(
        EventTypeIn(name="invoice.paid", description="", schemas={"1": {"examples": [{"amount": 1200}]}})
    )
    app = await svix.application.create(ApplicationIn(name="Acme"))
    endpoint = await svix.endpoint.create(app.id, EndpointIn(url=NOBODY))
    told = await svix.operational_webhook.endpoint.create(OperationalWebhookEndpointIn(url=NOBODY))
    message = await svix.message.create(app.id, MessageIn(event_type=event_type.name, payload={}))
    other = await svix.application.create(ApplicationIn(name="Else"))
    task = await svix.message.expunge_all_contents(other.id)
    leaving = await svix.application.create(ApplicationIn(name="Leaving"))
    attempts = await eventually(
        lambda: svix.message_attempt.list_by_msg(app.id, message.id), until=lambda seen: seen.data
    )
    return {
        "app_id": app.id,
        "attempt_id": attempts.data[0].id,
        "endpoint_id": endpoint.id,
        "operational_endpoint_id": told.id,
        "event_type_name": event_type.name,
        "msg_id": message.id,
        "task_id": task.id,
        "leaving_app_id": leaving.id,
    }


def _operations(service: Running) -> Iterable[tuple[str, Described]]:
    """Every operation by its id; those that remove things come last, the largest at the very end."""
    document = schemathesis.openapi.from_url(f"{service.url}/api/v1/openapi.json")
    operations = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
    operations.sort(key=lambda one: (one.method == "delete", -one.path.count("/")))
    return [(one.definition.raw["operationId"], one) for one in operations]


def _known(operation: Described, stock: Mapping[str, str]) -> dict[str, str]:
    """The path to something that there is."""
    if "/operational-webhook/" in operation.path:
        stock = {"endpoint_id": stock["operational_endpoint_id"]}
    elif operation.path.endswith("/erase"):
        stock = {"app_id": stock["leaving_app_id"]}
    return {name: key for name, key in stock.items() if f"{{{name}}}" in operation.path}


def _sent(case: Asked, session: requests.Session) -> tuple[int, list[str]]:
    """Send a request: the status of the answer, and what of the answer the document does not say."""
    answer = case.call(session=session)
    try:
        case.validate_response(answer, checks=PROMISES)
    except BaseExceptionGroup as broken:
        return answer.status_code, [f"{case.as_curl_command()}: {wrong}" for wrong in broken.exceptions]
    return answer.status_code, []


def _tried(operation: Described, senders: Sequence[Sender]) -> list[str]:
    """Send requests that the document allows, of what there is, and others that it forbids."""
    found: list[str] = []
    drawn_with = _known(operation, senders[0].stock)

    def send(case: Asked) -> None:
        drawn = case.path_parameters
        for sender in senders:
            own = {drawn_with[name]: key for name, key in _known(operation, sender.stock).items()}
            case.path_parameters = {name: own.get(str(value), value) for name, value in drawn.items()}
            found.extend(_sent(case, sender.session)[1])

    for requests_made in (
        operation.as_strategy(GenerationMode.POSITIVE, path_parameters=drawn_with),
        operation.as_strategy(GenerationMode.NEGATIVE),
    ):
        # One without parameters and body cannot be asked wrongly.
        with suppress(Unsatisfiable):
            SAME_EACH_TIME(given(requests_made)(send))()
    return found


async def test_every_operation_does_what_it_is_there_for(service: Running, stock: Mapping[str, str]) -> None:
    """One good request each: nothing is described that cannot be had."""

    def called() -> Mapping[str, object]:
        wrong: dict[str, object] = {}
        with Sender(service.token, stock).session as session:
            for name, operation in _operations(service):
                body = BODIES.get(name, {}) if operation.body else NOT_SET
                case = operation.Case(path_parameters=_known(operation, stock), body=body)
                status, broken = _sent(case, session)
                if broken or not 200 <= status < 300:
                    wrong[name] = status, broken
        return wrong

    assert await asyncio.to_thread(called) == {}


@pytest.mark.parametrize("profile", [None], indirect=True, ids=["sqlite"])
async def test_whatever_is_sent_the_answer_is_one_that_is_described(
    service: Running, stock: Mapping[str, str]
) -> None:
    """By an organization, and by the portal of an application of another; to draw requests takes longest."""
    organization = Sender(service.token, stock)
    service.knows_nobody()
    others = await stocked(service)
    portal = Sender(await service.run("token", service.organization, "--app", others["app_id"]), others)

    def called() -> Mapping[str, list[str]]:
        with organization.session, portal.session:
            tried = {
                name: _tried(operation, [organization, portal]) for name, operation in _operations(service)
            }
        return {name: wrong for name, wrong in tried.items() if wrong}

    assert await asyncio.to_thread(called) == {}
