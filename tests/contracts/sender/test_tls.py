"""A receiver proves who it is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.domain.verdict import Failure
from shared.ports.sender import Sender
from tests.certificates import Certificate
from tests.contracts.sender.senders import SHORT, Phonebook, post
from tests.receivers import Receiver


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate.of_this_machine(tmp_path)


async def test_https_delivers_to_a_receiver_that_proves_who_it_is(
    new_sender: Callable[..., Sender], certificate: Certificate
) -> None:
    sender = new_sender(tls=certificate.trusting())
    async with Receiver(tls=certificate.serving()) as receiver:
        answers = [await sender.send(post(receiver.url)) for _ in range(2)]
        await sender.close()

        assert all(answer.is_success for answer in answers)
        assert receiver.connections == 1


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    sender: Sender, certificate: Certificate
) -> None:
    """A message is meant for one receiver, and may be secret."""
    async with Receiver(tls=certificate.serving()) as receiver:
        answer = await sender.send(post(receiver.url))

        assert (answer.status_code, answer.failure) == (0, Failure.CONNECTION)
        assert answer.body.startswith("error making request: certificate")
        assert receiver.requests == []


async def test_a_certificate_for_another_host_is_refused(
    new_sender: Callable[..., Sender], certificate: Certificate
) -> None:
    sender = new_sender(tls=certificate.trusting(), names=Phonebook({"other.example": ["127.0.0.1"]}))
    async with Receiver(tls=certificate.serving()) as receiver:
        answer = await sender.send(post(f"https://other.example:{receiver.port}/"))
        await sender.close()

        assert answer.failure is Failure.CONNECTION
        assert receiver.requests == []


async def test_a_receiver_that_does_not_speak_tls_is_a_failure(sender: Sender, receiver: Receiver) -> None:
    answer = await sender.send(post(receiver.url.replace("http:", "https:"), timeout=SHORT))

    assert (answer.status_code, answer.is_success) == (0, False)
    assert receiver.requests == []
