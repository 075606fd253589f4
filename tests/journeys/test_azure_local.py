"""`make azure-local`: the service on emulators, for whoever tries it out or develops it."""

import signal
from pathlib import Path

from svix.api import ApplicationIn, MessageGetOptions, MessageIn

from tests.journeys.running import Running
from tests.tools import check_azurite

LARGE = "x" * 150_000
"""It lies in the emulator of Blob Storage, which has it in memory at first."""


async def test_ctrl_c_ends_it_without_a_word_too_many_and_the_next_start_has_everything(
    tmp_path: Path,
) -> None:
    """And so does `kill -9`, which leaves nobody behind: who was would hold what it prints to open."""
    check_azurite()
    service = Running(tmp_path, command=("tests.emulators.azure", str(tmp_path / "azure")))
    async with service:
        svix = service.svix()
        await svix.application.create(ApplicationIn(name="Acme", uid="acme"))
        posted = await svix.message.create("acme", MessageIn(event_type="a", payload={"text": LARGE}))

        assert await service.stopped(signal.SIGINT) == 0
        assert "Traceback" not in service.log
        await service.starts()

        shown = await service.svix().message.get("acme", posted.id, MessageGetOptions(with_content=True))
        assert shown.payload == {"text": LARGE}
        await service.killed()
