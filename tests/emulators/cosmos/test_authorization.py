"""Who is let in: keys, resource tokens and tokens of Entra."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest
import pytest_asyncio
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

from tests.emulators.cosmos import CosmosEmulator
from tests.emulators.cosmos.certificate import made

NEVER = 4_102_444_800
WRONG_KEY = "d3Jvbmc="


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK asks for the account once, and does not wait for it to become well."""
    monkeypatch.setenv("AZURE_COSMOS_HEALTH_CHECK_MAX_RETRIES", "0")


class Credential:
    """Stands in for a managed identity: it has one token."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken(self._token, NEVER)

    async def close(self) -> None:
        """It holds nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """It holds nothing."""


def client(endpoint: str, credential: Any) -> CosmosClient:  # noqa: ANN401  # the SDK's own word for it
    transport = AioHttpTransport(use_env_settings=False)
    return CosmosClient(endpoint, credential, transport=transport)


async def refusal(endpoint: str, credential: Any) -> tuple[int | None, int | None]:  # noqa: ANN401  # as above
    """Status and sub-status."""
    refused = client(endpoint, credential)
    try:
        with pytest.raises(CosmosHttpResponseError) as error:
            await refused.get_database_client("heliograph").read()
    finally:
        # The SDK's own context leaves its connections open when it cannot be entered.
        await refused.close()
    return error.value.status_code, error.value.sub_status


async def test_a_signature_by_another_key_is_refused(connection: tuple[str, str]) -> None:
    endpoint, _ = connection

    assert (await refusal(endpoint, WRONG_KEY))[0] == 401


async def test_names_may_need_quoting_in_a_url(
    connection: tuple[str, str], container: ContainerProxy
) -> None:
    name = "müller & söhne +1%20"
    await container.create_item({"id": name, "pk": "acme|1 ☃"})

    assert (await container.read_item(name, "acme|1 ☃"))["id"] == name


async def test_keys_can_be_switched_off(cosmos: CosmosEmulator, container: ContainerProxy) -> None:
    cosmos.authorization.accepts_keys = False

    with pytest.raises(CosmosHttpResponseError) as error:
        await container.create_item({"id": "one", "pk": "acme|1"})

    assert error.value.status_code == 401
    assert "Local Authorization is disabled" in str(error.value)


@pytest.mark.parametrize("writes", [False, True])
async def test_a_resource_token_reaches_as_far_as_it_says(
    cosmos: CosmosEmulator, database: DatabaseProxy, container: ContainerProxy, *, writes: bool
) -> None:
    other = await database.create_container("others", PartitionKey("/pk"))
    for one in (container, other):
        await one.create_item({"id": "one", "pk": "acme|1"})
    link = f"dbs/{database.id}/colls/{container.id}"
    token = cosmos.authorization.resource_token(link, writes=writes)
    found = {}

    async with client(cosmos.endpoint, {link: token, f"dbs/{database.id}/colls/others": token}) as guest:
        for name in ("messages", "others"):
            reached = guest.get_database_client(database.id).get_container_client(name)
            for operation, done in (
                ("read", reached.read_item("one", "acme|1")),
                ("write", reached.upsert_item({"id": "one", "pk": "acme|1"})),
            ):
                try:
                    await done
                    found[name, operation] = 200
                except CosmosHttpResponseError as error:
                    found[name, operation] = error.status_code or 0

    assert found == {
        ("messages", "read"): 200,
        ("messages", "write"): 200 if writes else 403,
        ("others", "read"): 403,
        ("others", "write"): 403,
    }


@pytest_asyncio.fixture
async def secure(tmp_path: Path) -> AsyncIterator[CosmosEmulator]:
    """An account in production: it speaks TLS and takes no keys."""
    async with CosmosEmulator(tls=made(tmp_path)) as emulator:
        emulator.authorization.accepts_keys = False
        emulator.authorization.bearers.add("good")
        emulator.authorization.strangers.add("stranger")
        yield emulator


async def test_a_token_of_entra_opens_the_account(secure: CosmosEmulator) -> None:
    async with client(secure.endpoint, Credential("good")) as identity:
        database = await identity.create_database("heliograph")
        container = await database.create_container("messages", PartitionKey("/pk"))
        await container.create_item({"id": "one", "pk": "acme|1"})

        assert (await container.read_item("one", "acme|1"))["id"] == "one"


@pytest.mark.parametrize(("token", "answer"), [("stranger", (403, 5300)), ("expired", (401, None))])
async def test_a_token_without_a_role_or_out_of_date_is_refused(
    secure: CosmosEmulator, token: str, answer: tuple[int, int | None]
) -> None:
    assert await refusal(secure.endpoint, Credential(token)) == answer


async def test_a_key_does_not_open_an_account_in_production(secure: CosmosEmulator) -> None:
    assert (await refusal(secure.endpoint, secure.key))[0] == 401
