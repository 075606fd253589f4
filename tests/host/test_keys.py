"""The secrets that a first start makes."""

import base64
import stat
from pathlib import Path

import pytest

from infra.local import keys
from infra.local.keys import WrongKeys
from shared.config.reader import WrongSettings

KEY = base64.b64encode(bytes(32)).decode()
OTHER_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HELIOGRAPH_DATABASE": str(tmp_path / "new" / "heliograph.db")}


def _database(env: dict[str, str]) -> Path:
    return Path(env["HELIOGRAPH_DATABASE"])


def _file(env: dict[str, str]) -> Path:
    return _database(env).with_name("heliograph.db.keys")


def test_a_first_start_needs_no_set_up(env: dict[str, str]) -> None:
    ready = keys.read(env)

    assert ready.made == _file(env)
    assert len(ready.settings.jwt_secret) == 43
    assert len(ready.settings.encryption_key) == 32


def test_the_next_start_has_the_same_secrets(env: dict[str, str]) -> None:
    """Tokens stay good and endpoint secrets readable."""
    first = keys.read(env)
    second = keys.read(env)

    assert (second.settings, second.made) == (first.settings, None)


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    one, other = (keys.read({"HELIOGRAPH_DATABASE": str(tmp_path / name / "h.db")}).settings for name in "ab")

    assert one.jwt_secret != other.jwt_secret
    assert one.encryption_key != other.encryption_key


def test_only_the_owner_may_read_them(env: dict[str, str]) -> None:
    keys.read(env)

    assert stat.S_IMODE(_file(env).stat().st_mode) == 0o600
    assert stat.S_IMODE(_file(env).parent.stat().st_mode) == 0o700
    assert [path.name for path in _file(env).parent.iterdir()] == ["heliograph.db.keys"]


def test_what_is_set_wins(env: dict[str, str]) -> None:
    chosen = env | {"HELIOGRAPH_JWT_SECRET": "x", "HELIOGRAPH_ENCRYPTION_KEY": KEY}

    for _ in ("first start", "second start"):
        settings = keys.read(chosen).settings
        assert (settings.jwt_secret, settings.encryption_key) == ("x", bytes(32))


def test_another_encryption_key_is_noticed_at_the_start(env: dict[str, str]) -> None:
    """Otherwise every delivery would fail, and nobody would think of the key."""
    keys.read(env | {"HELIOGRAPH_ENCRYPTION_KEY": KEY})

    with pytest.raises(WrongKeys, match="another key than that of HELIOGRAPH_ENCRYPTION_KEY"):
        keys.read(env | {"HELIOGRAPH_ENCRYPTION_KEY": OTHER_KEY})
    with pytest.raises(WrongKeys, match="set HELIOGRAPH_ENCRYPTION_KEY to the one"):
        keys.read(env)


def test_a_database_whose_keys_are_gone_gets_no_new_ones(env: dict[str, str]) -> None:
    """A copied database must not look healthy while nobody can read its secrets."""
    keys.read(env)
    _database(env).touch()
    _file(env).unlink()

    with pytest.raises(WrongKeys, match="put the file back, or set HELIOGRAPH_ENCRYPTION_KEY"):
        keys.read(env)
    assert not _file(env).exists()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(WrongKeys, match="is a folder; set HELIOGRAPH_DATABASE to a file in it"):
        keys.read({"HELIOGRAPH_DATABASE": str(tmp_path)})


def test_a_file_of_something_else_gets_no_keys(env: dict[str, str]) -> None:
    """Once the slip is mended, a first start is a first start again."""
    _database(env).parent.mkdir()
    _database(env).write_text("Dear diary")
    with pytest.raises(WrongKeys, match="is no database; set HELIOGRAPH_DATABASE to another file"):
        keys.read(env | {"HELIOGRAPH_ENCRYPTION_KEY": KEY})
    assert not _file(env).exists()


def test_a_damaged_file_is_not_mended_by_guessing(env: dict[str, str]) -> None:
    keys.read(env)
    _file(env).write_text("HELIOGRAPH_JWT_SECRET=x\n")

    with pytest.raises(WrongKeys, match="is damaged: it has no HELIOGRAPH_ENCRYPTION_KEY"):
        keys.read(env)


def test_a_wrong_setting_leaves_nothing_behind(env: dict[str, str]) -> None:
    """The first start fails for a slip of the pen; the second must be a first start again."""
    with pytest.raises(WrongSettings):
        keys.read(env | {"HELIOGRAPH_ENCRYPTION_KEY": "oops"})

    assert not _file(env).parent.exists()


def test_who_speaks_with_a_service_has_its_secrets_and_makes_none(env: dict[str, str]) -> None:
    with pytest.raises(WrongKeys, match=r"set HELIOGRAPH_DATABASE to the file .* or HELIOGRAPH_JWT_SECRET"):
        keys.of_a_service(env)
    assert keys.of_a_service(env | {"HELIOGRAPH_JWT_SECRET": "x"}).jwt_secret == "x"
    assert not _file(env).parent.exists()

    settings = keys.read(env).settings
    assert keys.of_a_service(env) == settings


def test_on_azure_no_secrets_are_made(env: dict[str, str]) -> None:
    """Each of several processes would make its own."""
    azure = {
        "HELIOGRAPH_COSMOS_ENDPOINT": "https://acme.documents.azure.com",
        "HELIOGRAPH_BLOB_ENDPOINT": "https://acme.blob.core.windows.net",
        "ServiceBus__fullyQualifiedNamespace": "acme.servicebus.windows.net",
    }

    with pytest.raises(WrongSettings, match=r"JWT_SECRET is not set.*\n.*ENCRYPTION_KEY is not set"):
        keys.read(env | azure)
    ready = keys.read(env | azure | {"HELIOGRAPH_JWT_SECRET": "x", "HELIOGRAPH_ENCRYPTION_KEY": KEY})

    assert (ready.made, ready.settings.encryption_key) == (None, bytes(32))
    assert not _file(env).exists()
