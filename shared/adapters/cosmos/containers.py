"""What the containers are, once and for all: the adapters, the tests and the deployment read it here.

Nothing is indexed that is not named, so that a write costs as little as it can: payloads, what receivers
answered and every other value that is only ever read by its document's id.

Every container lets a document say when it ends (`ttl`, whole seconds after its last write), and has no time
of its own: what says nothing stays. The service takes a document out of every read when its time is over, and
removes it whenever it has room for that. Times are rounded up to the next whole second and a second more,
since the service counts from the second of the write; whoever reads looks at the exact instant besides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DATABASE = "heliograph"

PER_DOCUMENT = -1
"""The `defaultTtl` of a container whose documents say themselves when they end, if they do."""


@dataclass(frozen=True)
class Shape:
    """One container.

    Attributes:
        partition_key: The path to the value that says in which partition a document lies.
        indexed: The paths that queries look at; `?` ends one value, `[]` stands for each element of a list.
        composites: The paths, in order, of each index that queries are sorted by.
    """

    name: str
    partition_key: str
    indexed: Sequence[str] = ()
    composites: Sequence[Sequence[str]] = ()

    @property
    def indexing_policy(self) -> Mapping[str, Any]:
        """As the service takes it."""
        return {
            "indexingMode": "consistent",
            "automatic": True,
            "includedPaths": [{"path": path} for path in self.indexed],
            "excludedPaths": [{"path": "/*"}],
            "compositeIndexes": [
                [{"path": path, "order": "ascending"} for path in paths] for paths in self.composites
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


MESSAGES = Shape(
    name="messages",
    partition_key="/pk",
    indexed=(
        # Of messages and their payloads.
        "/listed/?",
        "/kind/?",
        # Of attempts.
        "/message_id/?",
        "/endpoint_id/?",
        "/key/?",
        "/status/?",
        "/code/?",
        # Of the first attempt on a message at an endpoint, which says how the message stands there.
        "/stands_at/?",
        "/standing/?",
        # What every list is filtered by.
        "/event_type/?",
        "/channels/*",
        "/tags/*",
        # What may not have been queued.
        "/due/?",
        "/by/?",
    ),
    composites=(("/message_id", "/key"), ("/endpoint_id", "/key"), ("/stands_at", "/message_id")),
)
"""Messages, their payloads, the claims on their keys and eventIds, and every attempt on them: all of a
message is in one partition, `<application id>|<shard>`."""

ANSWERS = Shape(name="answers", partition_key="/id")
"""Answers to other requests with an idempotency key. They are only ever read by it."""

CATALOGUE = Shape(
    name="catalogue",
    partition_key="/pk",
    indexed=("/pk/?", "/kind/?", "/marks/*"),
    composites=(
        ("/kind", "/id"),
        ("/marks/org_id", "/marks/failing"),
        ("/marks/org_id", "/marks/switched_off"),
        ("/marks/org_id", "/marks/rated"),
    ),
)
"""Settings, applications and event types by organization, endpoints and lines of turns by application, and
background tasks by organization in partitions of their own, since they grow by themselves."""

CONTAINERS = (MESSAGES, ANSWERS, CATALOGUE)
