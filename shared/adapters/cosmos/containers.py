"""What the containers are: the adapters and the tests read it here, a deployment in `containers.json` itself.

Nothing is indexed that is not named, so that a write costs as little as it can: payloads, what receivers
answered and every other value that is only ever read by its document's id.

Every container lets a document say when it ends (`ttl`, whole seconds after its last write), and has no time
of its own: what says nothing stays. The service takes a document out of every read when its time is over, and
removes it whenever it has room for that. Times are rounded up to the next whole second and a second more,
since the service counts from the second of the write; whoever reads looks at the exact instant besides.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

PER_DOCUMENT = -1
"""The `defaultTtl` of a container whose documents say themselves when they end, if they do."""


class Purpose(msgspec.Struct, frozen=True, rename={"purpose": "for"}):
    """What paths are indexed for."""

    purpose: str
    paths: tuple[str, ...]


class Shape(msgspec.Struct, frozen=True, rename="camel"):
    """One container.

    Attributes:
        holds: Which documents, for people.
        partition_key: The path to the value that says in which partition a document lies.
        indexed: The paths that queries look at; `?` ends one value, `*` stands for all that lies below.
        sorted: The paths, in order, of each index that queries are sorted by.
    """

    name: str
    holds: str
    partition_key: str
    indexed: tuple[Purpose, ...]
    sorted: tuple[Purpose, ...]

    @property
    def indexing_policy(self) -> Mapping[str, Any]:
        """As the service takes it."""
        return {
            "indexingMode": "consistent",
            "automatic": True,
            "includedPaths": [{"path": path} for group in self.indexed for path in group.paths],
            "excludedPaths": [{"path": "/*"}],
            "compositeIndexes": [
                [{"path": path, "order": "ascending"} for path in group.paths] for group in self.sorted
            ],
        }

    @property
    def resource(self) -> Mapping[str, Any]:
        """The container's resource, as a deployment and the service's own interface take it."""
        return {
            "id": self.name,
            "partitionKey": {"paths": [self.partition_key], "kind": "Hash", "version": 2},
            "defaultTtl": PER_DOCUMENT,
            "indexingPolicy": self.indexing_policy,
        }


class _Deployed(msgspec.Struct, frozen=True):
    """What is deployed to an account."""

    database: str
    containers: tuple[Shape, ...]


_DEPLOYED = msgspec.json.decode(Path(__file__).with_name("containers.json").read_bytes(), type=_Deployed)

DATABASE = _DEPLOYED.database
CONTAINERS = _DEPLOYED.containers
MESSAGES, ANSWERS, CATALOGUE = CONTAINERS
