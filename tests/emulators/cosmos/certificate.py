"""A certificate that nobody vouches for, made anew: SDKs send tokens of Entra over TLS alone.

The SDK of Cosmos DB does not check the certificates of `localhost` and `127.0.0.1`.
"""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME = timedelta(days=36_500)


def made(folder: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS; the certificate and its key are left in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), ISSUED, ISSUED + LIFETIME
        )
        .add_extension(names, critical=False)
        .sign(key, SHA256())
    )
    file = folder / "emulator.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context
