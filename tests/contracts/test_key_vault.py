"""What is special about secrets under Key Vault's key: rotation, few questions, a vault that is not well."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.azure_identity import credential
from shared.adapters.key_vault import NEWEST_FOR, ROLE, KeyVaultSecrets
from shared.adapters.sealing import AesSecrets
from shared.domain.errors import Unavailable
from tests.clock import MovedClock
from tests.key_vault import CUT, HANG, KEY_NAME, KeyVault, Token
from tests.managed_identity import ManagedIdentity

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CLIENT_ID = "00000000-1111-2222-3333-444444444444"
SOON = timedelta(milliseconds=100)
MOMENT = timedelta(microseconds=1)
EVERY_TRY = 4

New = Callable[..., KeyVaultSecrets]


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[KeyVault]:
    async with KeyVault(tmp_path) as vault:
        yield vault


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def new(vault: KeyVault, clock: MovedClock) -> AsyncIterator[New]:
    """Each is another process's."""
    made: list[KeyVaultSecrets] = []

    def new(**options: Any) -> KeyVaultSecrets:  # noqa: ANN401 - the adapter's own
        made.append(KeyVaultSecrets(vault.key_url, Token(), clock, **options, **vault.options))
        return made[-1]

    yield new
    for secrets in made:
        await secrets.close()


async def test_the_vault_is_asked_once_for_many_texts(vault: KeyVault, new: New) -> None:
    """Deliveries do not wait for it."""
    secrets, later = new(), new()

    sealed = [await secrets.seal(f"{SECRET} {number}") for number in range(9)]
    assert vault.asked == ["get", "get v1"], "wrapping needs only the public half"
    vault.asked.clear()
    opened = [await later.open(one) for one in sealed]

    assert opened == [f"{SECRET} {number}" for number in range(9)]
    assert vault.asked == ["get v1", "unwrap v1"]


async def test_many_who_ask_at_once_ask_once(vault: KeyVault, new: New) -> None:
    secrets, later = new(), new()
    sealed = await asyncio.gather(*(secrets.seal(SECRET) for _ in range(20)))
    assert vault.asked == ["get", "get v1"]

    opened = await asyncio.gather(*(later.open(one) for one in sealed))

    assert set(opened) == {SECRET}
    assert vault.asked[2:] == ["get v1", "unwrap v1"]


async def test_many_who_wait_for_a_vault_that_hangs_wait_as_long_as_one(vault: KeyVault, new: New) -> None:
    vault.faults.append(HANG)
    secrets = new(patience=SOON)

    told = await asyncio.gather(*(secrets.seal(SECRET) for _ in range(20)), return_exceptions=True)

    assert {type(one) for one in told} == {Unavailable}
    assert vault.asked == ["get"]


async def test_who_gives_up_waiting_spoils_it_for_nobody(vault: KeyVault, new: New) -> None:
    """A request that is broken off must not fail a delivery."""
    sealed = await new().seal(SECRET)
    secrets = new()
    impatient = asyncio.create_task(secrets.open(sealed))
    patient = asyncio.create_task(secrets.open(sealed))
    await asyncio.wait([impatient], timeout=0)

    impatient.cancel()

    assert await patient == SECRET
    assert vault.asked[2:] == ["get v1", "unwrap v1"]


async def test_what_was_sealed_before_a_rotation_stays_as_it_is_and_readable(
    vault: KeyVault, clock: MovedClock, new: New
) -> None:
    secrets = new()
    before = await secrets.seal(SECRET)
    vault.rotate()
    clock.move(NEWEST_FOR - MOMENT)
    unaware = await secrets.seal(SECRET)
    clock.move(MOMENT)
    after = await secrets.seal(SECRET)
    vault.asked.clear()

    later = new()
    assert [await later.open(sealed) for sealed in (before, unaware, after)] == [SECRET] * 3

    assert vault.asked == ["get v1", "unwrap v1", "get v2", "unwrap v2"]


async def test_a_new_process_knows_of_a_rotation_at_once(vault: KeyVault, new: New) -> None:
    await new().seal(SECRET)
    vault.rotate()
    sealed = await new().seal(SECRET)
    vault.asked.clear()

    assert await new().open(sealed) == SECRET
    assert vault.asked == ["get v2", "unwrap v2"]


async def test_a_version_that_is_gone_says_so_and_the_others_are_read(vault: KeyVault, new: New) -> None:
    old = await new().seal(SECRET)
    vault.rotate()
    young = await new().seal(SECRET)
    del vault.versions[min(vault.versions, key=vault.number)]
    secrets = new()

    with pytest.raises(Unavailable, match="A key with this name and version was not found"):
        await secrets.open(old)
    assert await secrets.open(young) == SECRET


async def test_a_process_seals_with_a_data_key_that_it_has_met(vault: KeyVault, new: New) -> None:
    """Else every process that comes and goes would leave one, and each costs a question to all others."""
    first, second, third = new(), new(), new()
    one = await first.seal(SECRET)
    assert await second.open(one) == SECRET
    other = await second.seal(SECRET)
    vault.asked.clear()

    assert [await third.open(one), await third.open(other)] == [SECRET, SECRET]
    assert vault.asked == ["get v1", "unwrap v1"]


async def test_what_the_encryption_key_sealed_stays_readable_while_it_is_given(new: New) -> None:
    """A deployment moves to Key Vault without touching an endpoint."""
    earlier = AesSecrets(bytes(32))
    old = await earlier.seal(SECRET)

    both = new(earlier=earlier)
    young = await both.seal(SECRET)

    assert [await both.open(old), await both.open(young)] == [SECRET, SECRET]
    assert await new().open(young) == SECRET
    with pytest.raises(Unavailable, match="sealed with an encryption key that is not set"):
        await new().open(old)


async def test_more_data_keys_than_are_kept_are_asked_for_again(vault: KeyVault, new: New) -> None:
    sealed = [await new().seal(SECRET) for _ in range(3)]
    secrets = new(known_max=2)

    assert [await secrets.open(one) for one in (*sealed, sealed[0])] == [SECRET] * 4
    assert vault.asked.count("unwrap v1") == 4


Ask = Callable[[KeyVaultSecrets, bytes], Awaitable[object]]


async def _seal(secrets: KeyVaultSecrets, sealed: bytes) -> object:
    del sealed
    return await secrets.seal(SECRET)


async def _open(secrets: KeyVaultSecrets, sealed: bytes) -> object:
    return await secrets.open(sealed)


asking = pytest.mark.parametrize(("ask", "question"), [(_seal, "get"), (_open, "unwrap")])


@asking
@pytest.mark.parametrize("fault", [429, 500, 503, CUT])
async def test_a_vault_that_stumbles_once_is_asked_again(
    vault: KeyVault, new: New, ask: Ask, question: str, fault: int | str
) -> None:
    sealed = await new().seal(SECRET)
    vault.faulty = question
    vault.faults.extend([fault, fault])

    assert await ask(new(), sealed)
    assert not vault.faults


@asking
@pytest.mark.parametrize(
    ("fault", "why"),
    [(429, "Come again later"), (503, "Come again later"), (CUT, "disconnected"), (HANG, "within 0.1 s")],
)
async def test_a_vault_that_is_not_well_is_unavailable_until_it_is_well_again(
    vault: KeyVault, new: New, ask: Ask, question: str, fault: int | str, why: str
) -> None:
    sealed = await new().seal(SECRET)
    secrets = new(patience=SOON) if fault == HANG else new()
    vault.faulty = question
    # Twice as many, for aiohttp repeats a GET by itself when a connection that it has kept is cut.
    vault.faults.extend([fault] * EVERY_TRY * 2)

    with pytest.raises(Unavailable, match=why):
        await ask(secrets, sealed)

    vault.faults.clear()
    assert await ask(new(), sealed)


@asking
async def test_a_vault_that_says_when_to_come_back_is_left_alone_until_then(
    vault: KeyVault, new: New, ask: Ask, question: str
) -> None:
    """Asking on would have it refuse us for longer, and everybody else of the subscription with us."""
    sealed = await new().seal(SECRET)
    vault.faulty, vault.retry_after = question, "30"
    vault.faults.append(429)
    vault.asked.clear()

    with pytest.raises(Unavailable, match=r"within 0\.1 s"):
        await ask(new(patience=SOON), sealed)

    assert [asked for asked in vault.asked if asked.startswith(question)] == vault.asked[-1:]


@asking
async def test_a_refusal_says_which_role_to_give(vault: KeyVault, new: New, ask: Ask, question: str) -> None:
    sealed = await new().seal(SECRET)
    vault.faulty = question
    vault.faults.append(403)

    with pytest.raises(Unavailable) as refused:
        await ask(new(), sealed)

    assert f"give the app's managed identity the role {ROLE} on the key {KEY_NAME}" in str(refused.value)
    assert "Caller is not authorized" in str(refused.value)


async def test_what_is_known_is_opened_without_the_vault(vault: KeyVault, new: New) -> None:
    """An outage of the vault stops no delivery of a process that runs."""
    secrets = new()
    sealed = await secrets.seal(SECRET)
    vault.faults.extend([503] * 99)

    assert await secrets.open(sealed) == SECRET
    assert await secrets.open(await secrets.seal(SECRET)) == SECRET


async def test_a_vault_that_is_nowhere_is_unavailable(vault: KeyVault, new: New) -> None:
    secrets = new()
    await vault.__aexit__()

    with pytest.raises(Unavailable, match="Cannot connect"):
        await secrets.seal(SECRET)


async def test_the_managed_identity_shows_its_token_to_the_vault(
    vault: KeyVault, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ManagedIdentity() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        async with credential(CLIENT_ID) as signed_in:
            secrets = KeyVaultSecrets(vault.key_url, signed_in, clock, **vault.options)
            assert await secrets.open(await secrets.seal(SECRET)) == SECRET
            await secrets.close()

    assert vault.tokens == {"Bearer token 1 for https://vault.azure.net"}
    assert [asked["client_id"] for asked in endpoint.asked] == [CLIENT_ID]


async def test_an_identity_that_nobody_knows_is_told_apart(
    vault: KeyVault, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ManagedIdentity(knows_nobody=True) as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        async with credential(CLIENT_ID) as signed_in:
            secrets = KeyVaultSecrets(vault.key_url, signed_in, clock, **vault.options)
            with pytest.raises(Unavailable, match=r"it does not know us: .*Managed Identity not found"):
                await secrets.seal(SECRET)
            await secrets.close()
