"""What a start does not pay for."""

import asyncio
import sys
from asyncio.subprocess import PIPE

CLIENTS = ("azure.servicebus", "azure.cosmos", "azure.storage")


async def test_a_service_on_one_file_imports_no_client_of_azures_storage() -> None:
    """Each costs a tenth of a second and megabytes."""
    program = (
        "import sys, function_app, infra.local.host, shared.wiring;"
        f"print(*(name for name in {CLIENTS} if name in sys.modules))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE)
    out, _ = await process.communicate()

    assert (process.returncode, out.strip()) == (0, b"")
