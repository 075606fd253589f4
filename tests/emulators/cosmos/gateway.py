"""What a request asks for, and what it is answered.

1. Its path and method say which operation it is, on what. What is not known is refused.
2. It is counted, and a fault may strike it.
3. It is authorized, and its headers are checked: one that the emulator does not know is refused, too.
4. It is done, and answered with what the SDK reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from tests.emulators.cosmos import batches, queries
from tests.emulators.cosmos.account import Account, Container, checked_id
from tests.emulators.cosmos.authorization import Asked, Authorization
from tests.emulators.cosmos.charges import charge, query_charge
from tests.emulators.cosmos.counts import Counts
from tests.emulators.cosmos.documents import MAX_BYTES, Conditions, Outcome, Unit
from tests.emulators.cosmos.faults import CLOSE, Fault, Faults
from tests.emulators.cosmos.keys import BEYOND, FIRST, Key, Range, key_of_document, key_of_header
from tests.emulators.cosmos.refusals import (
    OWNER_MISSING,
    RANGE_GONE,
    RID_MISMATCH,
    SESSION_AHEAD,
    Refused,
    bad,
    unknown,
)
from tests.emulators.cosmos.wire import Answer, Course, Request

TRUE = b"true"
KNOWN_HEADERS = {
    *(
        b"x-ms-date",
        b"x-ms-version",
        b"x-ms-activity-id",
        b"x-ms-client-id",
        b"x-ms-cosmos-correlated-activityid",
    ),
    *(b"x-ms-cosmos-sdk-supportedcapabilities", b"x-ms-thinclient-proxy-resource-type"),
    *(b"x-ms-thinclient-proxy-operation-type", b"x-ms-documentdb-query-iscontinuationexpected"),
    *(
        b"x-ms-consistency-level",
        b"x-ms-session-token",
        b"x-ms-documentdb-partitionkey",
        b"x-ms-max-item-count",
    ),
    *(b"x-ms-documentdb-is-upsert", b"x-ms-documentdb-isquery", b"x-ms-cosmos-is-query-plan-request"),
    *(b"x-ms-cosmos-supported-query-features", b"x-ms-cosmos-query-version", b"x-ms-continuation"),
    *(
        b"x-ms-documentdb-query-enablecrosspartition",
        b"x-ms-cosmos-is-batch-request",
        b"x-ms-cosmos-batch-atomic",
    ),
    *(b"x-ms-cosmos-batch-continue-on-error", b"x-ms-documentdb-partitionkeyrangeid", b"x-ms-start-epk"),
    *(
        b"x-ms-end-epk",
        b"x-ms-read-key-type",
        b"x-ms-cosmos-intended-collection-rid",
        b"x-ms-offer-throughput",
    ),
    *(
        b"x-ms-cosmos-offer-autopilot-settings",
        b"x-ms-documentdb-populatequotainfo",
        b"x-ms-cosmos-physical-partition-id",
    ),
    *(b"x-ms-documentdb-populatepartitionstatistics", b"x-ms-documentdb-populatequerymetrics"),
    *(b"x-ms-cosmos-priority-level", b"x-ms-documentdb-responsecontinuationtokenlimitinkb"),
    *(
        b"x-ms-client-request-id",
        b"x-ms-cosmos-allow-tentative-writes",
        b"x-ms-cosmos-is-partition-key-delete-pending",
    ),
}
"""The headers of the service's own that a request may have."""

REFUSED_HEADERS = {b"if-modified-since", b"if-unmodified-since", b"a-im"}
"""Headers of HTTP that would change what a request means. (Ranges are read by A-IM all the same.)"""

WEAKER = {b"Session", b"ConsistentPrefix", b"Eventual"}
"""The consistency that a request may ask of an account, whatever its own is."""

LONG_TOKEN_BYTES = 12_000
"""What the service makes of a continuation whose length nobody has limited has been seen to be longer."""

RETRY_WITH = 449
"""What a write is answered that has met another: a batch says it of one of its parts."""

READS = {"account", "databases", "database.read", "containers", "container.read", "ranges"} | {
    *("read", "feed", "query", "query_plan"),
}
OPERATIONS: Mapping[tuple[str, int], Mapping[str, str]] = {
    ("", 0): {"GET": "account"},
    ("dbs", 1): {"GET": "databases", "POST": "database.create"},
    ("dbs", 2): {"GET": "database.read", "DELETE": "database.delete"},
    ("colls", 3): {"GET": "containers", "POST": "container.create"},
    ("colls", 4): {"GET": "container.read", "PUT": "container.replace", "DELETE": "container.delete"},
    ("pkranges", 5): {"GET": "ranges"},
    ("docs", 5): {"GET": "feed", "POST": "create"},
    ("docs", 6): {"GET": "read", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"},
}
"""The operations by the last kind in the path, the number of its steps, and the method."""

POSTS = (
    (b"x-ms-cosmos-is-batch-request", "batch"),
    (b"x-ms-documentdb-isquery", "query"),
    (b"x-ms-cosmos-is-query-plan-request", "query_plan"),
    (b"x-ms-documentdb-is-upsert", "upsert"),
)
"""What a request to the documents of a container is besides a create, by the header that says so."""


class Call(NamedTuple):
    """A request with what it asks for.

    Attributes:
        operation: In the words of the counts.
        steps: Of its path.
        container: That its path names; empty if it names none.
    """

    request: Request
    operation: str
    steps: tuple[str, ...]
    container: str

    @property
    def asked(self) -> Asked:
        """What its signature must say."""
        steps = self.steps
        kind = steps[-1 if len(steps) % 2 else -2] if steps else ""
        link = "/".join(steps[:-1] if len(steps) % 2 else steps)
        date = self.request.headers.get(b"x-ms-date", b"").decode()
        return Asked(self.request.method.lower(), kind, link, date, self.operation not in READS)

    def header(self, name: bytes) -> str | None:
        """A header as text."""
        found = self.request.headers.get(name)
        return None if found is None else found.decode()

    def is_set(self, name: bytes) -> bool:
        """Whether a header says true."""
        return self.request.headers.get(name, b"").lower() == TRUE

    @property
    def conditions(self) -> Conditions:
        """The etags on which it depends."""
        return Conditions(self.header(b"if-match"), self.header(b"if-none-match"))

    def content(self) -> dict[str, Any]:
        """Its body, an object in JSON.

        Raises:
            Refused: It is none.
        """
        try:
            return _OBJECTS.decode(self.request.body)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise bad(f"The body is not an object in JSON: {error}") from error


_OBJECTS = msgspec.json.Decoder(dict[str, Any])


def call_of(request: Request) -> Call:
    """What a request asks for.

    Raises:
        Refused: Nobody knows.
    """
    path = request.target.partition(b"?")[0].strip(b"/").decode()
    steps = tuple(path.split("/")) if path else ()
    if "%" in path:
        steps = tuple(map(unquote, steps))
    kind = steps[-1 if len(steps) % 2 else -2] if steps else ""
    operation = OPERATIONS.get((kind, len(steps)), {}).get(request.method)
    if operation is None or (len(steps) > 2 and (steps[0], steps[2]) != ("dbs", "colls")):
        raise unknown(f"{request.method} /{path}")
    if kind == "docs" and not len(steps) % 2:
        checked_id({"id": steps[-1]})
    if operation == "create":
        operation = next(
            (one for header, one in POSTS if request.headers.get(header, b"").lower() == TRUE), operation
        )
    elif request.method == "POST" and b"x-ms-documentdb-isquery" in request.headers:
        raise unknown(f"queries of anything but documents: /{path}")
    return Call(request, operation, steps, steps[3] if len(steps) > 3 else "")


@dataclass
class Gateway:
    """Answers requests.

    Attributes:
        endpoint: Where clients find the account; known as soon as it listens.
        page_rows: How many rows a page has at most, whatever is asked for.
        empty_pages: Whether a result begins with a page without rows, as the service's own may.
        consistency: What the account says that its own is. It is `Strong` whatever it says.
        long_tokens: Whether a continuation is as long as the client lets it be, as the service's own may be.
    """

    account: Account
    authorization: Authorization
    counts: Counts = field(default_factory=Counts)
    faults: Faults = field(default_factory=Faults)
    endpoint: str = ""
    page_rows: int = queries.MOST_ROWS
    empty_pages: bool = False
    long_tokens: bool = False
    consistency: str = "Strong"

    def __post_init__(self) -> None:
        self._operations: Mapping[str, Callable[[Call], Answer]] = {
            "account": self._account,
            "databases": self._databases,
            "database.create": self._create_database,
            "database.read": self._read_database,
            "database.delete": self._delete_database,
            "containers": self._containers,
            "container.create": self._create_container,
            "container.read": self._read_container,
            "container.replace": self._replace_container,
            "container.delete": self._delete_container,
            "ranges": self._ranges,
            "batch": self._batch,
            "query": self._query,
            "query_plan": self._query_plan,
            "feed": self._query,
            **dict.fromkeys(("create", "upsert", "read", "replace", "patch", "delete"), self._document),
        }

    def decide(self, request: Request) -> Course:
        """How a request goes on."""
        try:
            call = call_of(request)
        except Refused as refusal:
            answer = _refusal(refusal)
            return Course(lambda: answer)
        container = self.account.name_of(call.steps[1], call.container) if call.container else ""
        self.counts.add(call.operation, container)
        fault = self.faults.striking(call.operation, container)
        if fault is None:
            return Course(lambda: self._done(call))
        return self._struck(fault, call)

    def _struck(self, fault: Fault, call: Call) -> Course:
        def act() -> Answer | None:
            answer = self._done(call) if fault.applied or fault.answer is None else None
            if fault.answer is None:
                return answer
            if fault.answer == CLOSE:
                return None
            text = "A fault that a test has injected"
            refused = Refused(int(fault.answer), text, fault.sub_status, retry_after=fault.retry_after)
            if (call.operation, refused.status) == ("batch", RETRY_WITH):
                whole = batches.failed(batches.parts_of(call.request.body), 0, refused)
                return Answer(whole.status, body=whole.body)
            return _refusal(refused)

        return Course(act, late=fault.delay) if fault.applied else Course(act, rest=fault.delay)

    def _done(self, call: Call) -> Answer:
        try:
            self.authorization.check(call.header(b"authorization") or "", call.asked)
            self._check_headers(call)
            return self._operations[call.operation](call)
        except Refused as refusal:
            return _refusal(refusal)
        except Exception as error:  # noqa: BLE001  # a mistake of the emulator's own is told to whoever met it
            return _refusal(Refused(500, f"The emulator has failed: {error!r}"))

    @staticmethod
    def _check_headers(call: Call) -> None:
        headers = call.request.headers
        strange = [name for name in headers.keys() - KNOWN_HEADERS if name.startswith(b"x-ms-")]
        if call.operation != "ranges":
            strange += REFUSED_HEADERS & headers.keys()
        if strange:
            raise unknown(f"the header {strange[0].decode()} on {call.operation}")
        if headers.get(b"x-ms-consistency-level", b"Session") not in WEAKER:
            raise bad("A request may ask for weaker consistency than the account's")

    # The account, its databases and containers.

    def _account(self, _: Call) -> Answer:
        place = [{"name": "Emulator", "databaseAccountEndpoint": self.endpoint}]
        return _json(
            200,
            {
                "id": "emulator",
                "writableLocations": place,
                "readableLocations": place,
                "enableMultipleWriteLocations": False,
                "userConsistencyPolicy": {"defaultConsistencyLevel": self.consistency},
            },
        )

    def _databases(self, _: Call) -> Answer:
        every = [one.definition for one in self.account.databases.values()]
        return _json(200, {"_rid": "", "Databases": every, "_count": len(every)})

    def _create_database(self, call: Call) -> Answer:
        return _json(201, self.account.create_database(call.content()).definition)

    def _read_database(self, call: Call) -> Answer:
        return _json(200, self.account.database(call.steps[1]).definition)

    def _delete_database(self, call: Call) -> Answer:
        self.account.drop_database(self.account.database(call.steps[1]))
        return Answer(204)

    def _containers(self, call: Call) -> Answer:
        database = self.account.database(call.steps[1])
        every = [one.definition for one in database.containers.values()]
        return _json(200, {"_rid": database.rid, "DocumentCollections": every, "_count": len(every)})

    def _create_container(self, call: Call) -> Answer:
        database = self.account.database(call.steps[1])
        return _json(201, self.account.create_container(database, call.content()).definition)

    def _read_container(self, call: Call) -> Answer:
        return _json(200, self._container(call).definition)

    def _replace_container(self, call: Call) -> Answer:
        container = self._container(call)
        self.account.replace_container(container, call.content())
        return _json(200, container.definition)

    def _delete_container(self, call: Call) -> Answer:
        database = self.account.database(call.steps[1])
        self.account.drop_container(database, self.account.container(call.steps[1], call.steps[3]))
        return Answer(204)

    def _ranges(self, call: Call) -> Answer:
        container = self._container(call)
        etag = f'"{len(container.ranges)}"'
        if call.header(b"if-none-match") == etag:
            return Answer(304, f"etag: {etag}\r\n")
        rows = [
            {
                "id": one.id,
                "minInclusive": one.start,
                "maxExclusive": one.end,
                "parents": [],
                "status": "online",
            }
            for one in container.ranges
        ]
        body = {"_rid": container.rid, "PartitionKeyRanges": rows, "_count": len(rows)}
        return Answer(200, f"etag: {etag}\r\n", msgspec.json.encode(body))

    # Documents.

    def _document(self, call: Call) -> Answer:
        container = self._container(call)
        key = self._key(call, container)
        unit = Unit(container, key, self.account.clock.seconds())
        self._check_session(call, container)
        outcome = self._outcome(call, unit)
        unit.commit(self.account.file)
        headers = _headers(call, container, container.range_of(key), charge(call.operation))
        document = outcome.document
        if document is None:
            return Answer(outcome.status, headers)
        shows_nothing = call.operation != "read" and call.request.headers.get(b"prefer") == b"return=minimal"
        return Answer(
            outcome.status, f"{headers}etag: {document.etag}\r\n", b"" if shows_nothing else document.body
        )

    @staticmethod
    def _outcome(call: Call, unit: Unit) -> Outcome:
        conditions = call.conditions
        match call.operation:
            case "create":
                conditions.check_unread()
                return unit.create(call.content())
            case "upsert":
                return unit.upsert(call.content(), conditions)
            case "read":
                return unit.read(call.steps[5], conditions)
            case "replace":
                return unit.replace(call.steps[5], call.content(), conditions)
            case "patch":
                return unit.patch(call.steps[5], batches.patch_of(call.content()), conditions)
        return unit.delete(call.steps[5], conditions)

    def _batch(self, call: Call) -> Answer:
        container = self._container(call)
        if not call.is_set(b"x-ms-cosmos-batch-atomic") or call.is_set(
            b"x-ms-cosmos-batch-continue-on-error"
        ):
            raise unknown("a batch that is not transactional")
        if len(call.request.body) > MAX_BYTES:
            raise Refused(
                413, f"The batch is of {len(call.request.body)} bytes; at most {MAX_BYTES} are taken"
            )
        key = self._key(call, container)
        parts = batches.parts_of(call.request.body)
        for part in parts:
            self.counts.add(f"batch.{part.operation_type.lower()}", container.id)
        unit = Unit(container, key, self.account.clock.seconds())
        done = batches.run(parts, unit)
        unit.commit(self.account.file)
        return Answer(done.status, _headers(call, container, container.range_of(key), done.charge), done.body)

    # Queries.

    def _query(self, call: Call) -> Answer:
        container = self._container(call)
        self._check_session(call, container)
        question = queries.EVERYTHING if call.operation == "feed" else queries.asked(call.request.body)
        scope, where = self._scope(call, container, question)
        wanted = _whole_number(call.header(b"x-ms-max-item-count") or "-1")
        rows_at_most = min(queries.PAGE_ROWS if wanted < 0 else wanted, self.page_rows)
        continuation = call.header(b"x-ms-continuation")
        if self.empty_pages and continuation is None:
            page = queries.Page([], queries.Mark().text(question.checksum), 0)
        else:
            page = queries.run(question, scope, rows_at_most, continuation)
            self.account.forget(container, scope.gone)
        headers = _headers(call, container, where, query_charge(page.looked_at))
        headers += f"x-ms-item-count: {len(page.rows)}\r\n"
        if page.continuation is not None:
            headers += f"x-ms-continuation: {self._token(call, page.continuation)}\r\n"
        rows = b",".join(page.rows)
        body = b'{"_rid":"%b","Documents":[%b],"_count":%d}' % (container.rid.encode(), rows, len(page.rows))
        return Answer(200, headers, body)

    def _token(self, call: Call, continuation: str) -> str:
        """A continuation as the service gives it: as long as the client lets it be, if a test wants that."""
        if not self.long_tokens:
            return continuation
        most_kb = call.header(b"x-ms-documentdb-responsecontinuationtokenlimitinkb")
        return continuation.ljust(_whole_number(most_kb) * 1024 if most_kb else LONG_TOKEN_BYTES, "~")

    def _query_plan(self, call: Call) -> Answer:
        container = self._container(call)
        question = queries.asked(call.request.body)
        container.policy.check(question.query)
        plan = queries.plan(question, call.content()["query"])
        return Answer(200, _headers(call, container, container.ranges[-1], 1.0), plan)

    def _scope(
        self, call: Call, container: Container, question: queries.Asked
    ) -> tuple[queries.Scope, Range]:
        """Which documents a query is about, and the physical range that answers for them."""
        now = self.account.clock.seconds()
        if b"x-ms-documentdb-partitionkey" in call.request.headers:
            key = key_of_header(call.request.headers[b"x-ms-documentdb-partitionkey"])
            if key.levels != len(container.key_paths):
                raise bad("The partition key has fewer values than the container has paths for it")
            if call.operation == "query":
                container.policy.check_in_partition(question.query, container.key_paths)
            partition = container.partitions.get(key.text)
            return queries.Scope(container, [partition] if partition else [], now), container.range_of(key)
        range_id = call.header(b"x-ms-documentdb-partitionkeyrangeid")
        if range_id is None:
            if call.operation == "query":
                self._check_across_partitions(call, question)
            return queries.Scope(container, container.between(FIRST, BEYOND), now), container.ranges[-1]
        where = next((one for one in container.ranges if one.id == range_id), None)
        if where is None:
            raise Refused(410, f"The partition key range {range_id} is gone", RANGE_GONE)
        start = max(where.start, call.header(b"x-ms-start-epk") or FIRST)
        end = min(where.end, call.header(b"x-ms-end-epk") or BEYOND)
        return queries.Scope(container, container.between(start, end), now), where

    @staticmethod
    def _check_across_partitions(call: Call, question: queries.Asked) -> None:
        if not call.is_set(b"x-ms-documentdb-query-enablecrosspartition"):
            raise bad(
                "Cross partition query is required but disabled. Please set "
                "x-ms-documentdb-query-enablecrosspartition to true, specify "
                "x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
            )
        queries.check_across_partitions(question.query)

    # What several have in common.

    def _container(self, call: Call) -> Container:
        try:
            container = self.account.container(call.steps[1], call.steps[3])
        except Refused as refusal:
            if len(call.steps) > 4:
                raise Refused(404, f"{refusal.message} (owner resource)", OWNER_MISSING) from refusal
            raise
        intended = call.header(b"x-ms-cosmos-intended-collection-rid")
        if intended not in {None, container.rid}:
            raise bad("The container is not the one that the client knows by this name", RID_MISMATCH)
        return container

    @staticmethod
    def _key(call: Call, container: Container) -> Key:
        header = call.request.headers.get(b"x-ms-documentdb-partitionkey")
        if header is not None:
            return key_of_header(header)
        if call.operation in {"create", "upsert"}:
            return key_of_document(call.content(), container.key_paths)
        raise bad("PartitionKey value must be supplied for this operation.")

    @staticmethod
    def _check_session(call: Call, container: Container) -> None:
        """A client may have seen what an account that was put back to an earlier state has not."""
        token = call.request.headers.get(b"x-ms-session-token")
        if not token:
            return
        seen = max(_whole_number(one.rpartition("#")[2]) for one in token.decode().split(","))
        if seen > container.number:
            raise Refused(
                404, "The read session is not available for the input session token.", SESSION_AHEAD
            )


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise bad(f"A header has {text!r} where a whole number belongs") from error


def _headers(call: Call, container: Container, where: Range, cost: float) -> str:
    return (
        f"x-ms-request-charge: {cost}\r\n"
        f"x-ms-session-token: {where.id}:-1#{container.number}\r\n"
        f"x-ms-documentdb-partitionkeyrangeid: {where.id}\r\n"
        f"x-ms-alt-content-path: {container.link}\r\n"
        f"x-ms-activity-id: {call.header(b'x-ms-activity-id')}\r\n"
    )


def _json(status: int, body: object) -> Answer:
    etag = body.get("_etag") if isinstance(body, dict) else None
    headers = "x-ms-request-charge: 1.0\r\n" + (f"etag: {etag}\r\n" if etag else "")
    return Answer(status, headers, msgspec.json.encode(body))


def _refusal(refusal: Refused) -> Answer:
    headers = "x-ms-request-charge: 1.0\r\n"
    if refusal.sub_status:
        headers += f"x-ms-substatus: {refusal.sub_status}\r\n"
    if refusal.retry_after is not None:
        headers += f"x-ms-retry-after-ms: {int(refusal.retry_after.total_seconds() * 1000)}\r\n"
    body = {"code": refusal.code, "message": refusal.message}
    return Answer(refusal.status, headers, msgspec.json.encode(body))
