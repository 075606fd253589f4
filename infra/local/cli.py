"""The command line: `heliograph serve`, `heliograph token`, `heliograph timeline`, `heliograph dlq`."""

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from infra.local import keys
from infra.local.banner import Banner, is_private
from infra.local.keys import WrongKeys
from shared.config import DATABASE, Settings
from shared.config.reader import WrongSettings

if TYPE_CHECKING:
    from cyclopts import App

DEFAULT_ORGANIZATION = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"

JOURNAL_THREAD = "journal"
"""Alive after the service has been closed, it hangs in writing its last lines."""

FAULT = 1
WRONG_USE = 2
"""Exit status when something must be changed before a start can succeed; the last line says what."""


def main() -> None:
    """Run the command that `sys.argv` names, and exit with its status."""
    if sys.argv[1:] == ["serve"]:
        # Nothing to parse; building the parser would make every start a tenth of a second longer.
        _leave(serve())
    _commands()()


def _leave(status: int) -> None:
    """End the process, without the interpreter's own end if that would wait for a log that nobody reads."""
    if any(thread.daemon and thread.name == JOURNAL_THREAD for thread in threading.enumerate()):
        os._exit(status)
    sys.exit(status)


def serve() -> int:
    """Run the service on this machine until Ctrl-C or SIGTERM.

    Settings are environment variables. Without any it listens on 127.0.0.1:8071 and keeps everything beside
    .heliograph/heliograph.db. Log lines go to standard error.
    """
    try:
        settings = _settings()
    except (WrongSettings, WrongKeys, OSError) as error:
        return _refuse(error)
    # What is made while starting stays; to look it through again and again only delays the start.
    gc.disable()
    say(f"Heliograph {_version()} is starting with the database {settings.place} …")
    # Half a second of imports, which only this command needs, and none of them before the first word.
    from infra.local import host  # noqa: PLC0415
    from infra.local.errors import Undrivable  # noqa: PLC0415
    from infra.local.server import CannotListen  # noqa: PLC0415
    from shared.domain.errors import HeliographError  # noqa: PLC0415

    try:
        is_told = host.run(settings, os.environ, lambda port: _announce(settings, port))
    except (HeliographError, CannotListen, Undrivable, OSError) as error:
        return _refuse(error)
    return 0 if is_told else FAULT


def token(org: str = DEFAULT_ORGANIZATION, *, app: str | None = None) -> int:
    """Print a token for an organization, or for the portal of one of its applications.

    An organization's token is good for ten years. An organization needs no set-up: it exists as soon as a
    token names it. A portal's token is good for 28 days, and for nothing but the application's endpoints,
    messages and attempts.

    Parameters
    ----------
    org
        Any id that begins with org_.
    app
        The id of an application, which begins with app_.
    """
    try:
        say(_mint(keys.of_a_service(os.environ), org, app))
    except (WrongSettings, WrongKeys, OSError, ValueError) as error:
        return _refuse(error)
    return 0


def timeline(app: str, msg: str, *, org: str = DEFAULT_ORGANIZATION, url: str | None = None) -> int:
    """Print everything that happened to a message, in order of time.

    Parameters
    ----------
    app
        The application's ID or UID.
    msg
        The message's ID or event ID.
    org
        The application's organization.
    url
        Where the service is; the one on this machine if left out. Its settings have to be these.
    """
    from infra.local import timelines  # noqa: PLC0415  see `serve`
    from infra.local.asking import NoAnswer, where  # noqa: PLC0415

    try:
        settings = keys.of_a_service(os.environ)
        found = timelines.ask_for(url or where(settings), _mint(settings, org), app, msg)
    except (WrongSettings, WrongKeys, OSError, ValueError, NoAnswer) as error:
        return _refuse(error)
    say("\n".join(timelines.lines(found)))
    return 0


def dlq_list(queue: str | None = None, *, url: str | None = None) -> int:
    """Print the work that was given up, of every organization, and why.

    Parameters
    ----------
    queue
        dispatch, retry, events or tasks; all of them if left out.
    url
        Where the service is; the one on this machine if left out. Its settings have to be these.
    """
    from infra.local import dlq  # noqa: PLC0415  see `serve`

    return _tell_of_dead_letters(dlq.listed, queue, url)


def dlq_redrive(queue: str | None = None, *, url: str | None = None) -> int:
    """Have the work done that was given up. What is done already is not done twice.

    Parameters
    ----------
    queue
        dispatch, retry, events or tasks; all of them if left out.
    url
        Where the service is; the one on this machine if left out. Its settings have to be these.
    """
    from infra.local import dlq  # noqa: PLC0415  see `serve`

    return _tell_of_dead_letters(dlq.redriven, queue, url)


def _tell_of_dead_letters(
    told: Callable[[str, str, str | None], Iterator[str]], queue: str | None, url: str | None
) -> int:
    from infra.local.asking import NoAnswer, where  # noqa: PLC0415  see `serve`
    from shared.domain.operational import MANAGEMENT_ORG  # noqa: PLC0415

    try:
        settings = keys.of_a_service(os.environ)
        for line in told(url or where(settings), _mint(settings, MANAGEMENT_ORG), queue):
            say(line)
    except (WrongSettings, WrongKeys, OSError, ValueError, NoAnswer) as error:
        return _refuse(error)
    return 0


def say(text: str) -> None:
    """Print to standard output now, also when it is a pipe."""
    print(text, flush=True)


def _commands() -> "App":
    from cyclopts import App  # noqa: PLC0415  see `main`

    app = App(
        name="heliograph",
        version=_version,
        help="Sends webhooks for other teams' products: signed, retried for days, every attempt visible.",
        version_flags=["--version"],
    )
    app.command(serve)
    app.command(token)
    app.command(timeline)
    dlq = App(name="dlq", help="Print, or have done after all, the work that was given up.")
    dlq.command(dlq_list, name="list")
    dlq.command(dlq_redrive, name="redrive")
    app.command(dlq)
    return app


def _settings() -> Settings:
    """The settings of the environment, with the secrets that a first start makes.

    Raises:
        WrongSettings: At least one is wrong.
        WrongKeys: The database cannot be read with them.
        OSError: The secrets cannot be kept.
    """
    ready = keys.read(os.environ)
    if ready.made:
        print(f"Made the secrets of a new database: {ready.made}", file=sys.stderr)
    return ready.settings


def _mint(settings: Settings, org_id: str, app_id: str | None = None) -> str:
    from functions.api.tokens import (  # noqa: PLC0415  see `serve`
        Token,
        mint_organization_token,
        mint_portal_token,
    )

    now = datetime.now(UTC)  # noqa: TID251  no test moves this
    if app_id is None:
        return mint_organization_token(settings, org_id, now)
    return mint_portal_token(settings, Token(org_id, app_id), now)


def _announce(settings: Settings, port: int) -> None:
    try:
        minted = _mint(settings, DEFAULT_ORGANIZATION) if is_private(settings) else None
    except ValueError:
        minted = None
    say(str(Banner(_version(), settings, port, minted, is_coloured=sys.stdout.isatty())))


def _refuse(error: Exception) -> int:
    """Say on standard error what must be changed."""
    text = str(error)
    if isinstance(error, OSError) and error.filename is None:
        text = f"cannot go on: {error.strerror}"
    elif isinstance(error, OSError):
        text = f"cannot use {error.filename}: {error.strerror}; set {DATABASE} to a file in a folder of yours"
    for line in text.splitlines():
        print(f"heliograph: {line}", file=sys.stderr)
    return WRONG_USE


def _version() -> str:
    try:
        return version("heliograph")
    except PackageNotFoundError:
        return "(not installed)"
