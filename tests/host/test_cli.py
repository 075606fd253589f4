"""The command line, run as people run it."""

import asyncio
import base64
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.local.cli import DEFAULT_ORGANIZATION
from infra.local.server import listen
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Finished:
    """What a command has left behind."""

    status: int
    out: str
    err: str


def _environment(settings: Mapping[str, str]) -> Mapping[str, str]:
    others = {name: text for name, text in os.environ.items() if not name.startswith("HELIOGRAPH_")}
    # Help is laid out for this width, whatever window the tests run in.
    return {**others, "COLUMNS": "100", **{f"HELIOGRAPH_{name}": text for name, text in settings.items()}}


async def heliograph(*arguments: str, **settings: str) -> Finished:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.local", *arguments,
        cwd=ROOT, env=_environment(settings), stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def serving(stderr: int = PIPE, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `heliograph serve` for the length of a test."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.local", "serve",
        cwd=ROOT, env=_environment(settings), stdout=PIPE, stderr=stderr,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _banner(process: asyncio.subprocess.Process) -> str:
    """What it prints until it takes requests."""
    assert process.stdout is not None
    return (await process.stdout.readuntil(b'-d \'{"eventType"')).decode()


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "heliograph.db")


async def test_a_start_on_one_file_waits_for_no_client_of_azure(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with (tmp_path / "imports").open("w+") as imports:
        async with serving(stderr=imports.fileno(), DATABASE=database, PORT="0") as process:
            await _banner(process)
        imports.seek(0)
        imported = {line.rpartition("|")[2].strip() for line in imports}

    assert "starlette.routing" in imported
    for client in ("azure.cosmos", "azure.servicebus", "azure.storage.blob", "azure.identity"):
        assert client not in imported


async def test_help_names_the_commands() -> None:
    finished = await heliograph("--help")

    assert finished.status == 0
    assert "serve        Run the service on this machine until Ctrl-C or SIGTERM." in finished.out
    assert "dlq          Print, or have done after all, the work that was given up." in finished.out
    assert "timeline     Print everything that happened to a message, in order of time." in finished.out
    assert "token        Print a token for an organization, or for the portal" in finished.out


async def test_a_slip_of_the_pen_is_told_what_was_meant() -> None:
    finished = await heliograph("tokn")

    assert (finished.status, finished.out) == (2, "")
    assert 'Did you mean "token"?' in finished.err


async def test_the_token_command_prints_nothing_but_a_token(database: str) -> None:
    """So that `TOKEN=$(heliograph token)` works."""
    finished = await heliograph("token", DATABASE=database, JWT_SECRET="x" * 32)

    claims = jwt.decode(finished.out.removesuffix("\n"), "x" * 32, algorithms=["HS256"])
    assert (finished.status, claims["sub"]) == (0, DEFAULT_ORGANIZATION)


async def test_a_token_can_name_an_organization(database: str) -> None:
    finished = await heliograph("token", "org_mine", DATABASE=database, JWT_SECRET="x" * 32)

    claims = jwt.decode(finished.out.removesuffix("\n"), "x" * 32, algorithms=["HS256"])
    assert claims["sub"] == "org_mine"


async def test_a_token_can_be_for_the_portal_of_an_application(database: str) -> None:
    for arguments, org in (((), DEFAULT_ORGANIZATION), (("--org", "org_mine"), "org_mine")):
        finished = await heliograph(
            "token", "--app", "app_1", *arguments, DATABASE=database, JWT_SECRET="x" * 32
        )
        claims = jwt.decode(finished.out.removesuffix("\n"), "x" * 32, algorithms=["HS256"])
        assert (claims["sub"], claims["org"]) == ("app_1", org)
        assert claims["exp"] - claims["nbf"] == 28 * 24 * 60 * 60


async def test_a_portal_is_one_of_an_application(database: str) -> None:
    finished = await heliograph("token", "--app", "acme", DATABASE=database, JWT_SECRET="x")

    assert (finished.status, finished.out) == (2, "")
    assert finished.err.splitlines()[-1] == "heliograph: an application's id begins with app_, unlike 'acme'"


async def test_an_id_that_no_organization_has_is_refused(database: str) -> None:
    finished = await heliograph("token", "mine", DATABASE=database, JWT_SECRET="x")

    assert (finished.status, finished.out) == (2, "")
    assert finished.err.splitlines()[-1] == (
        "heliograph: an organization's id begins with org_, unlike 'mine'"
    )


async def test_a_public_key_makes_no_tokens(database: str) -> None:
    public = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    finished = await heliograph("token", DATABASE=database, JWT_ALGORITHM="EdDSA", JWT_SECRET=pem)

    assert (finished.status, finished.out) == (2, "")
    assert finished.err.splitlines()[-1] == (
        "heliograph: tokens are signed with a private key, and HELIOGRAPH_JWT_SECRET holds a public one"
    )


async def test_a_timeline_is_told_by_a_running_service_alone(database: str) -> None:
    there = {"DATABASE": database, "JWT_SECRET": "x", "PORT": str(free_port())}
    finished = await heliograph("timeline", "acme", "e1", **there)

    assert (finished.status, finished.out) == (2, "")
    last = finished.err.splitlines()[-1]
    assert last.startswith("heliograph: no service answers at http://127.0.0.1:")
    assert last.endswith("; start one, or set HELIOGRAPH_HOST and HELIOGRAPH_PORT to where it is")


async def test_what_speaks_with_a_service_makes_nothing_where_there_is_none(tmp_path: Path) -> None:
    """Else who is in the wrong folder would look at a service that has nothing, and have a token for none."""
    commands = ["token"], ["timeline", "acme", "e1"], ["dlq", "list"], ["dlq", "redrive"]
    database = tmp_path / "elsewhere" / "heliograph.db"

    for finished in await asyncio.gather(*(heliograph(*each, DATABASE=str(database)) for each in commands)):
        assert (finished.status, finished.out) == (2, "")
        assert finished.err == (
            f"heliograph: no service was started here, for there is no {database}.keys; run this in the "
            "folder where one was, set HELIOGRAPH_DATABASE to the file that it uses, "
            "or HELIOGRAPH_JWT_SECRET to what signs its tokens\n"
        )
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


@pytest.mark.parametrize("command", ["serve", "token"])
async def test_wrong_settings_are_told_one_a_line(command: str, database: str) -> None:
    finished = await heliograph(command, DATABASE=database, PORT="http", HOTS="localhost")

    assert finished == Finished(
        2,
        "",
        "heliograph: HELIOGRAPH_HOTS is not a setting; write HELIOGRAPH_HOST\n"
        "heliograph: HELIOGRAPH_PORT is 'http'; "
        "write a port such as 8071, at most 65535; 0 takes any that is free\n",
    )


async def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    finished = await heliograph("serve", DATABASE=str(tmp_path / "file" / "heliograph.db"))

    assert finished.status == 2
    assert finished.err == (
        f"heliograph: cannot use {tmp_path / 'file'}: File exists; "
        "set HELIOGRAPH_DATABASE to a file in a folder of yours\n"
    )


async def test_a_file_that_is_no_database_is_told(tmp_path: Path, database: str) -> None:
    key = base64.b64encode(bytes(32)).decode()
    Path(database).write_text("Dear diary, today I was mistaken for a database once more.")  # noqa: ASYNC240

    finished = await heliograph("serve", DATABASE=database, PORT="0", ENCRYPTION_KEY=key)

    assert finished == Finished(
        2, "", f"heliograph: {database} is no database; set HELIOGRAPH_DATABASE to another file\n"
    )


async def test_a_taken_port_is_told(database: str) -> None:
    taken = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]

    finished = await heliograph("serve", DATABASE=database, PORT=str(port))
    taken.close()

    assert finished.status == 2
    assert finished.err.splitlines()[-1] == (
        f"heliograph: port {port} is taken; stop what uses it, or set HELIOGRAPH_PORT to another"
    )


async def test_a_second_process_on_one_database_is_refused(database: str) -> None:
    """Two would each deliver what the other has in hand."""
    async with serving(DATABASE=database, PORT="0") as first:
        await _banner(first)

        finished = await heliograph("serve", DATABASE=database, PORT="0")

    assert finished.status == 2
    assert finished.err == (
        f"heliograph: the database {database} is in use by process {first.pid}; "
        "stop it, or choose another file\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_in_order(number: signal.Signals, database: str) -> None:
    async with serving(DATABASE=database, PORT="0") as process:
        printed = await _banner(process)
        process.send_signal(number)
        _, err = await process.communicate()

    assert printed.startswith("Heliograph ")
    assert process.returncode == 0
    assert '"event":"host.stopped","broke_off":false}' in err.decode()


async def test_an_impatient_signal_ends_the_waiting(database: str) -> None:
    """A request that hangs must not make somebody wait who wants to go home."""
    port = free_port()
    async with serving(DATABASE=database, PORT=str(port)) as process:
        await _banner(process)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /api/v1/app/demo/msg HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        await writer.drain()
        # When this is answered, what was sent before it has arrived, too.
        reader, second = await asyncio.open_connection("127.0.0.1", port)
        second.write(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await reader.read()
        assert process.stderr is not None

        process.terminate()
        await process.stderr.readuntil(b"host.stop_began")
        process.terminate()
        _, err = await process.communicate()

        writer.close()
        second.close()
    assert process.returncode == 0
    assert '"event":"host.stopped","broke_off":true}' in err.decode()
