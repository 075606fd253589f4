"""Signing in as a managed identity, at the endpoint where an app on Azure does it."""

import asyncio
from collections.abc import Iterator

import pytest
from azure.core.exceptions import ClientAuthenticationError

from shared.adapters.azure_identity import blocking_credential, credential
from shared.adapters.blob.bodies import BlobBodies
from shared.adapters.cosmos.account import Account
from shared.adapters.cosmos.containers import MESSAGES
from shared.adapters.telemetry.ingestion import Ingestion as Way
from shared.domain.errors import Unavailable
from tests.ingestion import KEY, Ingestion
from tests.managed_identity import ManagedIdentity

CLIENT_ID = "00000000-1111-2222-3333-444444444444"
SCOPE = "https://cosmos.azure.com/.default"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedIdentity]:
    with ManagedIdentity() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        yield endpoint


async def test_an_identity_of_ones_own_is_the_one_that_signs_in(endpoint: ManagedIdentity) -> None:
    async with credential(CLIENT_ID) as signed_in:
        token = await signed_in.get_token(SCOPE)

    assert token.token == "token 1 for https://cosmos.azure.com"
    assert [asked["client_id"] for asked in endpoint.asked] == [CLIENT_ID]


async def test_without_one_the_app_itself_signs_in(
    endpoint: ManagedIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody whom the environment may name for other programs."""
    monkeypatch.setenv("AZURE_CLIENT_ID", "somebody")
    monkeypatch.setenv("AZURE_TENANT_ID", "somewhere")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "hush")

    async with credential(None) as signed_in:
        token = await signed_in.get_token(SCOPE)

    assert token.token == "token 1 for https://cosmos.azure.com"
    assert ["client_id" in asked for asked in endpoint.asked] == [False]


async def test_a_token_is_asked_for_once_and_kept(endpoint: ManagedIdentity) -> None:
    async with credential(CLIENT_ID) as signed_in:
        tokens = {(await signed_in.get_token(SCOPE)).token for _ in range(3)}

    assert len(tokens) == len(endpoint.asked) == 1


async def test_an_identity_that_the_app_was_not_given_is_an_error(endpoint: ManagedIdentity) -> None:
    endpoint.knows_nobody = True

    async with credential(CLIENT_ID) as signed_in:
        with pytest.raises(ClientAuthenticationError, match="Managed Identity not found"):
            await signed_in.get_token(SCOPE)


@pytest.mark.parametrize("client_id", [CLIENT_ID, None])
async def test_whoever_cannot_sign_in_is_out_of_reach_of_the_stores(
    endpoint: ManagedIdentity, client_id: str | None
) -> None:
    """Queued work waits until it can, as through any other outage."""
    endpoint.knows_nobody = True
    async with credential(client_id) as nobody:
        account = Account("https://127.0.0.1:1", nobody)
        bodies = BlobBodies("https://127.0.0.1:1/account", nobody)

        reading = (account.container(MESSAGES).read("id", "pk"), bodies.read("place"))
        refused = await asyncio.gather(*reading, return_exceptions=True)

        assert [type(one) for one in refused] == [Unavailable, Unavailable]
        said = "Managed Identity not found" if client_id else "failed to retrieve a token"
        assert [said in str(one) for one in refused] == [True, True]
        await account.close()
        await bodies.close()


@pytest.mark.parametrize("client_id", [CLIENT_ID, None])
def test_telemetry_is_sent_as_the_same_identity(endpoint: ManagedIdentity, client_id: str | None) -> None:
    with Ingestion() as ingestion, blocking_credential(client_id) as signed_in:
        way = Way(instrumentation_key=KEY, endpoint=ingestion.endpoint, credential=signed_in)
        assert way.send([{"name": "one"}]) == ((), 0)

    assert ingestion.requests[0][1]["authorization"] == "Bearer token 1 for https://monitor.azure.com/"
    assert [asked.get("client_id") for asked in endpoint.asked] == [client_id]
