"""Who signs in, and what encrypts endpoint secrets, by the settings."""

import base64

from shared.adapters.key_vault import KeyVaultSecrets
from shared.adapters.sealing import AesSecrets
from shared.config import Settings
from shared.wiring.sealing import sealing, sign_in
from tests.clock import MovedClock
from tests.test_azure_config import AZURE, EMULATORS, KEY, VAULT_KEY

TOKENS = {"HELIOGRAPH_JWT_SECRET": "x"}
BY_KEY = {**TOKENS, "HELIOGRAPH_ENCRYPTION_KEY": base64.b64encode(KEY).decode()}
BY_VAULT = {"HELIOGRAPH_KEY_VAULT_KEY": VAULT_KEY}


def test_nobody_signs_in_where_everything_is_in_a_file_or_an_emulator() -> None:
    """Half a second of imports."""
    assert sign_in(Settings.read(BY_KEY)) is None
    assert sign_in(Settings.read(BY_KEY | EMULATORS)) is None


async def test_without_key_vault_the_encryption_key_encrypts() -> None:
    settings = Settings.read(BY_KEY | EMULATORS)
    sealed_by = sealing(settings, MovedClock(), sign_in(settings))

    sealed = await sealed_by.secrets.seal("whsec_1")

    assert await AesSecrets(KEY).open(sealed) == "whsec_1"
    await sealed_by.close()


async def test_with_key_vault_the_encryption_key_only_opens_what_it_encrypted() -> None:
    sealed = await AesSecrets(KEY).seal("whsec_1")
    settings = Settings.read(BY_KEY | AZURE | BY_VAULT)
    credential = sign_in(settings)
    assert credential is not None
    sealed_by = sealing(settings, MovedClock(), credential)

    assert isinstance(sealed_by.secrets, KeyVaultSecrets)
    assert await sealed_by.secrets.open(sealed) == "whsec_1"
    await sealed_by.close()
    await credential.close()


async def test_key_vault_needs_no_encryption_key() -> None:
    settings = Settings.read(TOKENS | EMULATORS | BY_VAULT)
    credential = sign_in(settings)
    assert credential is not None

    sealed_by = sealing(settings, MovedClock(), credential)

    assert isinstance(sealed_by.secrets, KeyVaultSecrets)
    await sealed_by.close()
    await credential.close()
