"""The emulator as a process of its own, and the half of the SDK that blocks."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.servicebus import ServiceBusClient, ServiceBusMessage

from tests.emulators.servicebus.bench import body

Q = "dispatch"


@contextmanager
def emulator(file: Path, port: str = "0") -> Iterator[tuple[str, str]]:
    """The connection string and the port of one that is killed in the end."""
    command = [sys.executable, "-m", "tests.emulators.servicebus", "--port", port, "--file", str(file), Q]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own
        assert process.stdout is not None
        text = process.stdout.readline().strip()
        try:
            yield text, text.partition("127.0.0.1:")[2].partition(";")[0]
        finally:
            process.send_signal(signal.SIGKILL)


def test_what_it_has_said_yes_to_survives_its_death(tmp_path: Path) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251  the other process's clock is the machine's
    with emulator(tmp_path / "queues.db") as (text, port):
        client = ServiceBusClient.from_connection_string(text)
        with client.get_queue_sender(Q) as sender, client.get_queue_receiver(Q) as receiver:
            sender.send_messages(
                [ServiceBusMessage(one, message_id=one.decode()) for one in (b"1", b"2", b"3")]
            )
            sender.schedule_messages(ServiceBusMessage(b"later"), later)
            first, second, _ = receiver.receive_messages(3, max_wait_time=5)
            receiver.complete_message(first)
            receiver.abandon_message(second)
        client.close()

    with emulator(tmp_path / "queues.db", port) as (text, _):
        client = ServiceBusClient.from_connection_string(text)
        with client.get_queue_sender(Q) as sender, client.get_queue_receiver(Q) as receiver:
            sender.send_messages(ServiceBusMessage(b"new"))
            found = receiver.peek_messages(9, sequence_number=1)
            got = receiver.receive_messages(3, max_wait_time=5)
        client.close()

    assert [body(one) for one in found] == [b"2", b"3", b"later", b"new"]
    assert [(body(one), one.delivery_count) for one in got] == [(b"2", 1), (b"3", 0), (b"new", 0)]
    numbers = [one.sequence_number or 0 for one in found]
    assert numbers == sorted(numbers)
