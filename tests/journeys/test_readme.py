"""What the README shows, executed: its receiver, its curl lines, its SDK lines."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.config import NAMES, PLATFORM_NAMES
from tests.emulators.azure import Azure
from tests.journeys.running import JWT_SECRET, ROOT, Running, eventually
from tests.ports import free_port

BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """The README's blocks of one language, in order."""
    return [text for name, text in BLOCKS.findall((ROOT / "README.md").read_text()) if name == language]


@asynccontextmanager
async def receiver_of_the_readme(folder: Path, port: int) -> AsyncIterator[Path]:
    """Run `receiver.py` as the README has it, on another port; gives the file that it prints to."""
    script, printed = folder / "receiver.py", folder / "printed"
    script.write_text(blocks("python")[0].replace("9000", str(port)))
    with printed.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), stdout=output, stderr=asyncio.subprocess.DEVNULL
        )
    try:
        yield printed
    finally:
        process.kill()
        await process.wait()


async def shell(script: str, service: Running) -> str:
    """Run shell lines where the README would have them run."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", script, cwd=ROOT, env=service.environment, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


@pytest.fixture
async def service(tmp_path: Path, profile: Azure | None) -> AsyncIterator[Running]:
    """Its organization is the one that lines name which name none; no other journey on Azure has it."""
    schedule, settings = "500ms," * 30 + "500ms", {} if profile is None else {"jwt_secret": JWT_SECRET}
    async with Running(tmp_path, azure=profile, retry_schedule=schedule, **settings) as running:
        yield running


async def test_the_five_minutes_of_the_readme_work_as_printed(service: Running, tmp_path: Path) -> None:
    """A newcomer's first lines must not fail."""
    port = free_port()
    _, five_minutes, look, timeline, *_ = (
        block.replace(".venv/bin/heliograph", f"{sys.executable} -m infra.local") for block in blocks("sh")
    )
    setup = five_minutes.replace("8071", str(service.port)).replace("9000", str(port))
    sdk = blocks("python")[1].replace("8071", str(service.port)).replace("9000", str(port))
    async with receiver_of_the_readme(tmp_path, port) as printed:
        shown = await shell(f"{setup}\n{look}", service)
        await eventually(lambda: read(printed), until=lambda text: '{"amount": 1200}' in text)
        attempts = await eventually(
            lambda: shell(f"{setup.partition('curl')[0]}\n{look}", service),
            until=lambda text: '"msgId"' in text,
        )
        told = await shell(timeline, service)
        (tmp_path / "sdk.py").write_text(sdk.replace('"eyJ…"', repr(service.token)))
        secret = await shell(f"{sys.executable} {tmp_path / 'sdk.py'}", service)
        await eventually(lambda: read(printed), until=lambda text: text.count('"amount"') == 2)

    application, _, message, _ = map(json.loads, shown.splitlines())
    assert (application["uid"], message["eventId"]) == ("acme", "invoice-17")
    assert json.loads(attempts)["data"][0]["status"] in {0, 2}
    assert told.count("invoice-17") == 1
    assert "delivered" in told
    assert secret.startswith("whsec_")


async def test_the_printed_curl_lines_deliver_an_event(service: Running, tmp_path: Path) -> None:
    """Pasted as they are: post, add an endpoint, post again."""
    port = free_port()
    post, endpoint = (line for line in service.output if line.startswith("curl"))
    async with receiver_of_the_readme(tmp_path, port) as printed:
        await shell(post, service)
        await shell(endpoint.replace(":9000/", f":{port}/"), service)
        await shell(post, service)
        await eventually(lambda: read(printed), until=lambda text: '{"id":1}' in text)


def test_every_setting_of_the_program_stands_in_the_readme_and_in_the_example() -> None:
    example = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
    readme = (ROOT / "README.md").read_text()
    names = (*NAMES, *PLATFORM_NAMES)
    assert [name for name in names if f"`{name}`" not in readme] == []
    assert [name for name in names if name not in example] == []


async def read(path: Path) -> str:
    """What a file holds."""
    return await asyncio.to_thread(path.read_text)
