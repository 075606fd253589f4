"""The OpenAPI document and its page."""

import re
from importlib import import_module
from inspect import getmembers, isclass
from typing import Any

import pytest
import svix.models

from functions.api.openapi import _as_in_3_0
from functions.api.table import OPERATIONS
from tests.functions.api.client import Client


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


@pytest.mark.parametrize(
    "operation_id",
    [
        "v1.application.create",
        "v1.application.patch",
        "v1.application.upsert",
        "v1.authentication.app-portal-access",
        "v1.authentication.expire-all",
        "v1.authentication.logout",
        "v1.event-type.list",
        "v1.event-type.patch",
        "v1.event-type.upsert",
        "v1.endpoint.get-headers",
        "v1.endpoint.get-stats",
        "v1.endpoint.patch",
        "v1.endpoint.patch-headers",
        "v1.endpoint.rotate-secret",
        "v1.endpoint.set-headers",
        "v1.endpoint.upsert",
        "v1.endpoint.get-secret",
        "v1.message.create",
        "v1.message.expunge-content",
        "v1.message-attempt.expunge-content",
        "v1.message-attempt.list-by-msg",
        "v1.message-attempt.list-by-endpoint",
        "v1.health.get",
    ],
)
async def test_sdks_find_their_methods(document: Any, operation_id: str) -> None:  # noqa: ANN401
    """SDKs are generated with one class a tag and one method an operation."""
    operations = {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    _, resource, method = operation_id.replace("-", "_").split(".")
    module = import_module(f"svix.api.{resource}")
    class_name = operations[operation_id]["tags"][0].replace(" ", "")
    assert hasattr(getattr(module, class_name), method)


async def test_shapes_have_the_names_that_sdks_know(document: Any) -> None:  # noqa: ANN401
    ours = set(document["components"]["schemas"])
    theirs = {name for name, _ in getmembers(svix.models, isclass)}
    own = {"HTTPValidationError", "HttpErrorOut", "ValidationError", "HealthReport", "HealthStatus"}
    own |= {f"OrganizationSettings{kind}" for kind in ("In", "Patch", "Out")} | {
        "RetryScheduleInOut",
        "WhoamiOut",
    }
    untyped = {"TransformationsParams"}  # to them any object
    assert ours - own - untyped <= theirs


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
