"""The OpenAPI document and its page."""

import re
from importlib import import_module
from inspect import getmembers, getsource, isclass
from typing import Any

import pytest
import svix.models

from functions.api.openapi import _as_in_3_0
from functions.api.operations import PREFIX, Operation
from functions.api.table import OPERATIONS
from tests.functions.api.client import Client

WITHOUT_A_METHOD = {
    "v1.application.erase",
    "v1.authentication.whoami",
    "v1.background-task.cancel",
    "v1.dead-letter.list",
    "v1.dead-letter.redrive",
    "v1.diagnostics.get",
    "v1.endpoint.cancel-messages",
    "v1.event-type.export-openapi",
    "v1.event-type.get-retry-schedule",
    "v1.event-type.update-retry-schedule",
    "v1.health.head",
    "v1.health.ping",
    "v1.health.ping-head",
    "v1.message.timeline",
    "v1.operational-webhook.endpoint.patch-headers",
    "v1.organization.get-settings",
    "v1.organization.patch-settings",
    "v1.organization.update-settings",
}
OUR_OWN_SHAPES = {
    "AilingEndpointOut",
    "AilingEndpointsOut",
    "ApplicationEraseOut",
    "CancelMessagesOut",
    "Circuit",
    "DeadLetterOut",
    "DeadLettersOut",
    "DeploymentDiagnosticsOut",
    "DiagnosticsOut",
    "EventTypeExportOpenApiOut",
    "FailingEndpointOut",
    "FailingEndpointsOut",
    "HTTPValidationError",
    "HealthReport",
    "HealthStatus",
    "HttpErrorOut",
    "MessageStanding",
    "MessageTimelineOut",
    "OpenCircuitOut",
    "OpenCircuitsOut",
    "OrganizationDiagnosticsOut",
    "OrganizationSettingsIn",
    "OrganizationSettingsOut",
    "OrganizationSettingsPatch",
    "QueueDiagnosticsOut",
    "RedriveIn",
    "RedriveOut",
    "RedrivenOut",
    "ReplayPreviewOut",
    "RetryScheduleInOut",
    "StandingReason",
    "StationKind",
    "ThrottledEndpointOut",
    "ThrottledEndpointsOut",
    "TimelineAttemptOut",
    "TimelineEndpointOut",
    "TimelineStationOut",
    "ValidationError",
    "WhoamiOut",
}
WITH_A_METHOD = [one for one in OPERATIONS if not one.hidden and one.name not in WITHOUT_A_METHOD]


@pytest.fixture
def anyone() -> Client:
    return Client(None)


@pytest.fixture
async def document(anyone: Client) -> Any:  # noqa: ANN401 - JSON
    return (await anyone.get("/api/v1/openapi.json")).json


def _references(part: Any) -> set[str]:  # noqa: ANN401 - JSON
    if isinstance(part, dict):
        inside = set().union(*map(_references, part.values()))
        return inside | {part["$ref"]} if isinstance(part.get("$ref"), str) else inside
    return set().union(*map(_references, part)) if isinstance(part, list) else set()


async def test_every_operation_is_in_it_once(document: Any) -> None:  # noqa: ANN401
    described = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    shown = [operation for operation in OPERATIONS if not operation.hidden]
    assert len(described) == len(shown)
    assert {operation["operationId"] for operation in described.values()} == {one.name for one in shown}
    for (path, _), operation in described.items():
        named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert operation["summary"].endswith((".", "one does not."))


async def test_nothing_is_referred_to_that_is_not_there(document: Any) -> None:  # noqa: ANN401
    there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert _references(document["paths"]) <= there
    assert _references(document["components"]) <= there


async def test_version_3_0_knows_no_type_null(document: Any) -> None:  # noqa: ANN401
    """The page shows nothing but this version, and this version says `nullable`."""
    assert document["openapi"].startswith("3.0.")
    assert '"null"' not in str(document).replace("'", '"')
    assert document["components"]["schemas"]["ApplicationOut"]["properties"]["throttleRate"] == {
        "type": "integer",
        "nullable": True,
    }


async def test_what_is_out_of_order_is_described_as_what_is_in_order(document: Any) -> None:  # noqa: ANN401
    """Who watches over the service reads the report of a failure, too."""
    answers = document["paths"]["/api/v1/health"]["get"]["responses"]
    assert answers["500"]["content"] == answers["200"]["content"]


async def test_what_may_be_left_out_is_not_required(document: Any) -> None:  # noqa: ANN401
    shapes = document["components"]["schemas"]
    for shape, field in (("ApplicationOut", "uid"), ("EndpointMessageOut", "nextAttempt")):
        assert field in shapes[shape]["properties"]
        assert field not in shapes[shape]["required"]


@pytest.mark.parametrize("operation", WITH_A_METHOD, ids=lambda operation: operation.name)
def test_an_sdk_has_the_operation_as_a_method(operation: Operation) -> None:
    """SDKs are generated with one class a tag and one method an operation, of the same path and shapes."""
    *resource, method = operation.name.removeprefix("v1.").replace("-", "_").split(".")
    module = import_module(f"svix.api.{'_'.join(resource)}")
    called = getsource(getattr(getattr(module, operation.tag.replace(" ", "")), method))
    assert f'method="{operation.method.lower()}"' in called
    assert f'path="{PREFIX}{operation.path}"' in called
    shapes = [operation.body, *operation.successes.values()]
    named = {shape.__name__ for shape in shapes if shape is not None}
    assert named - OUR_OWN_SHAPES <= set(re.findall(r"\w+", called))


async def test_shapes_have_the_names_that_sdks_know(document: Any) -> None:  # noqa: ANN401
    ours = set(document["components"]["schemas"])
    theirs = {name for name, _ in getmembers(svix.models, isclass)}
    untyped = {"TransformationsParams"}  # to them any object
    assert ours - OUR_OWN_SHAPES - untyped <= theirs


@pytest.mark.parametrize(
    ("shape", "hidden"), [("MessageIn", "data"), ("EndpointIn", "filterTypes"), ("EventTypeIn", "schema")]
)
async def test_old_names_are_not_offered(document: Any, shape: str, hidden: str) -> None:  # noqa: ANN401
    assert hidden not in document["components"]["schemas"][shape]["properties"]
    assert "payload" in document["components"]["schemas"]["MessageIn"]["required"]


@pytest.mark.parametrize(
    ("shape", "name", "example"),
    [
        ("MessageIn", "eventType", "invoice.paid"),
        ("EventTypeIn", "name", "invoice.paid"),
        ("EndpointIn", "url", "https://receiver.example/webhooks"),
        ("ApplicationIn", "uid", "acme-42"),
    ],
)
async def test_what_must_be_of_a_form_has_an_example(
    document: Any,  # noqa: ANN401
    shape: str,
    name: str,
    example: str,
) -> None:
    """The page makes a request of them that can be sent as it stands."""
    assert document["components"]["schemas"][shape]["properties"][name]["example"] == example


@pytest.mark.parametrize(
    ("schema", "tidy"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"anyOf": [{"$ref": "#/x"}, {"type": "null"}]}, {"allOf": [{"$ref": "#/x"}], "nullable": True}),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, None),
        ({"type": "string", "default": None}, {"type": "string"}),
        ({"type": "string", "default": ""}, None),
    ],
)
def test_schemas_are_written_as_version_3_0_writes_them(schema: Any, tidy: Any) -> None:  # noqa: ANN401
    assert _as_in_3_0(schema) == (schema if tidy is None else tidy)


async def test_the_page_fetches_nothing_from_elsewhere(anyone: Client) -> None:
    """It must work behind a firewall, and nobody else's script may run beside a token."""
    home = await anyone.get("/")
    assert (home.status, home.headers["location"]) == (307, "/docs")
    page = await anyone.get("/docs")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "://" not in page.body.decode()
    sources = re.findall(r'(?:src|href|url)(?:=|: )"([^"]+)"', page.body.decode())
    assert "/api/v1/openapi.json" in sources
    for source in sources:
        found = await anyone.get(source)
        assert found.status == 200
        assert found.body
