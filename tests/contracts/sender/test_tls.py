"""A receiver proves who it is."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.domain.verdict import Failure
from shared.ports.sender import Sender
from tests.contracts.sender.senders import SHORT, Phonebook, post
from tests.receivers import Receiver


@dataclass(frozen=True)
class Certificate:
    """A certificate that vouches for itself, and its key."""

    path: Path

    def serving(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.path))


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver of the tests")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "receiver.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return Certificate(path)


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
