"""What receivers run: each verifier holds to be genuine what is, and nothing else."""

import base64
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.journeys.clients.clients import Client
from tests.journeys.clients.conftest import Evidence, arrived_at
from tests.journeys.clients.plain import SECRET
from tests.receivers import Received

OLD = SECRET
NEW = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
STRANGE = "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

KEPT = ["sqlite"]
"""A signature does not depend on where the service keeps everything."""

EVERY = {"svix", "standardwebhooks"}
NONE: set[str] = set()


@dataclass(frozen=True)
class Delivery:
    """What a verifier is given."""

    secret: str
    headers: dict[str, str]
    body: str

    def but(self, header: str, value: str) -> "Delivery":
        return replace(self, headers={**self.headers, header: value})


async def test_verifiers_take_what_is_genuine_and_nothing_else(client: Client, evidence: Evidence) -> None:
    """In the grace period of a rotation both secrets are good, as receivers exchange theirs one by one."""
    new = delivery(arrived_at(evidence, client.name), NEW)
    earlier = str(int(new.headers["webhook-timestamp"]) - 1)
    expected = [
        (new, EVERY),
        (replace(new, secret=OLD), EVERY),
        (replace(new, secret=STRANGE), NONE),
        (replace(new, body=new.body + " "), NONE),
        (new.but("webhook-id", "msg_2ZCPRZ1s0GhAvWVA7PXcbMmJhVo"), NONE),
        (new.but("webhook-timestamp", earlier), NONE),
        # The standard knows no `svix-` names. A signature of a key pair, which stands beside, is passed over.
        (delivery(arrived_at(evidence, "moved"), SECRET), {"svix"}),
        (delivery(arrived_at(evidence, "pair"), SECRET), NONE),
    ]

    printed = await client.run("verify", [vars(one) for one, _ in expected])

    assert printed.value is not None, printed.complaint
    found = [
        {name for name, said in printed.value.items() if said[number]} for number in range(len(expected))
    ]
    assert found == [verifiers for _, verifiers in expected]


def test_a_rotated_secret_signs_beside_the_old_one(client: Client, evidence: Evidence) -> None:
    assert kinds(arrived_at(evidence, client.name), "webhook-signature") == ["v1", "v1"]
    assert kinds(arrived_at(evidence, "moved"), "svix-signature") == ["v1", "v1a"]


def test_the_public_key_that_the_api_shows_verifies_a_key_pair(evidence: Evidence) -> None:
    """None of the verifiers can; receivers use the cryptography of their language."""
    received = arrived_at(evidence, "pair")
    shown = evidence.plain["GET /app/acme/endpoint/pair/secret"].body["key"]
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(shown.removeprefix("whpk_")))
    id_, timestamp, signature = (
        received.header(name) or "" for name in ("svix-id", "svix-timestamp", "svix-signature")
    )

    signed = f"{id_}.{timestamp}.".encode() + received.body
    public.verify(base64.b64decode(signature.removeprefix("v1a,")), signed)


def delivery(received: Received, secret: str) -> Delivery:
    return Delivery(secret, dict(received.headers), received.body.decode())


def kinds(received: Received, header: str) -> list[str]:
    """Of the signatures in a header."""
    return [signature.partition(",")[0] for signature in (received.header(header) or "").split(" ")]
