"""What a backend and its customer's portal do, by the SDK that is on the path. Prints every answer as JSON.

    PYTHONPATH=folder-of-the-sdk python -m tests.journeys.clients.python.round \
        '{"url": "http://127.0.0.1:8071", "token": "…", "receiver": "http://…", "failing": "http://…"}'

`round.mjs` takes the same steps under the same names.
"""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from time import monotonic
from typing import Any, Protocol

PATIENCE = timedelta(seconds=30)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
UNKNOWN = "msg_2ZCPRZ1s0GhAvWVA7PXcbMmJhVo"
SCHEMAS = {"1": {"type": "object", "examples": [{"n": 7}]}}

# Not by `import`: what has which name depends on the version.
sdk: Any = import_module("svix.api")
errors: Any = import_module("svix.exceptions")
message_in_raw: Any = import_module("svix.api.message").message_in_raw

FILTER = "event_types" if "event_types" in sdk.EndpointIn.model_fields else "filter_types"
EndpointUpsertIn = getattr(sdk, "EndpointUpsertIn", None) or sdk.EndpointUpdate
EventTypeUpsertIn = getattr(sdk, "EventTypeUpsertIn", None) or sdk.EventTypeUpdate
OperationalUpsertIn = (
    getattr(sdk, "OperationalWebhookEndpointUpsertIn", None) or sdk.OperationalWebhookEndpointUpdate
)


class Page(Protocol):
    data: list[Any]
    done: bool
    iterator: str | None


class Round:
    """The steps so far, and the client that takes them."""

    def __init__(self, url: str, token: str, receiver: str, failing: str) -> None:
        self.steps: dict[str, object] = {}
        self.url = url
        self.receiver = receiver
        self.failing = failing
        self.svix = self.client(token)

    def client(self, token: str) -> Any:  # noqa: ANN401  whatever the version has
        return sdk.Svix(token, sdk.SvixOptions(server_url=self.url))

    def step(self, name: str, call: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """Write down what a call answers; give it back, or None if it was refused."""
        assert name not in self.steps
        try:
            answer = call(*arguments)
        except errors.HTTPValidationError as wrong:
            self.steps[name] = {
                "refused": wrong.status_code,
                "detail": [{"loc": one.loc, "msg": one.msg, "type": one.type} for one in wrong.detail],
            }
            return None
        except errors.HttpError as wrong:
            self.steps[name] = {"refused": wrong.status_code, "code": wrong.code, "detail": wrong.detail}
            return None
        self.steps[name] = plain(answer)
        return answer


def plain(answer: Any) -> object:  # noqa: ANN401
    """An answer as it would be sent, without what is not there."""
    if isinstance(answer, list):
        return [plain(one) for one in answer]
    return answer.model_dump(mode="json", by_alias=True, exclude_none=True) if answer is not None else None


def upsert(resource: Any) -> Any:  # noqa: ANN401
    return getattr(resource, "upsert", None) or resource.update


def pages(ask: Callable[[str | None], Page]) -> list[Any]:
    """All rows of a list, page by page."""

    def rows() -> Iterator[Any]:
        iterator, done = None, False
        while not done:
            page = ask(iterator)
            yield from page.data
            iterator, done = page.iterator, page.done

    return list(rows())


def until(ask: Callable[[], Any], enough: Callable[[Any], object]) -> Any:  # noqa: ANN401
    """Ask again and again for what is certain to come."""
    deadline = monotonic() + PATIENCE.total_seconds()
    while not enough(answer := ask()):
        assert monotonic() < deadline, answer
    return answer


def applications(on: Round) -> None:
    step, application = on.step, on.svix.application
    acme = sdk.ApplicationIn(name="Acme", uid="acme", metadata={"tier": "gold"})
    step("application.create", application.create, acme)
    step("application.get", application.get, "acme")
    other = sdk.ApplicationIn(name="Else", uid="acme")
    step("application.get_or_create", application.get_or_create, other)
    step("application.create: taken", application.create, acme)
    step("application.create: no name", application.create, sdk.ApplicationIn(name=""))
    step("application.patch", application.patch, "acme", sdk.ApplicationPatch(throttle_rate=9))
    step("application.upsert", upsert(application), "acme", acme)
    for uid in ("bits", "cogs", "lossy"):
        application.create(sdk.ApplicationIn(name=uid.title(), uid=uid))
    step("application.delete", application.delete, "cogs")
    step("application.get: gone", application.get, "cogs")
    step(
        "application.list",
        pages,
        lambda iterator: application.list(sdk.ApplicationListOptions(limit=2, iterator=iterator)),
    )


def event_types(on: Round) -> None:
    step, event_type = on.step, on.svix.event_type
    paid = sdk.EventTypeIn(name="order.paid", description="Paid", schemas=SCHEMAS)
    step("event_type.create", event_type.create, paid)
    step("event_type.create: taken", event_type.create, paid)
    step("event_type.get", event_type.get, "order.paid")
    step("event_type.patch", event_type.patch, "order.paid", sdk.EventTypePatch(description="Money"))
    again = EventTypeUpsertIn(description="Paid", schemas=SCHEMAS)
    step("event_type.upsert", upsert(event_type), "order.paid", again)
    event_type.create(sdk.EventTypeIn(name="order.lost", description=""))
    step("event_type.delete", event_type.delete, "order.lost")
    archived = sdk.EventTypeListOptions(include_archived=True, with_content=True)
    step("event_type.list", event_type.list, archived)
    for_good = sdk.EventTypeDeleteOptions(expunge=True)
    step("event_type.delete: for good", event_type.delete, "order.lost", for_good)
    step("event_type.get: gone", event_type.get, "order.lost")
    spec = {"openapi": "3.1.0", "webhooks": {"order.found": {"post": {"summary": "Found"}}}}
    step("event_type.import_openapi", event_type.import_openapi, sdk.EventTypeImportOpenApiIn(spec=spec))
    event_type.delete("order.found", for_good)


def endpoints(on: Round) -> None:
    step, endpoint = on.step, on.svix.endpoint
    only_paid = {FILTER: ["order.paid"]}
    main = sdk.EndpointIn(
        url=on.receiver,
        uid="main",
        description="Main",
        secret=SECRET,
        channels=["eu"],
        metadata={"by": "hand"},
        **only_paid,
    )
    step("endpoint.create", endpoint.create, "acme", main)
    step("endpoint.create: taken", endpoint.create, "acme", main)
    unknown = sdk.EndpointIn(url=on.receiver, **{FILTER: ["no.such"]})
    step("endpoint.create: unknown type", endpoint.create, "acme", unknown)
    step("endpoint.create: no URL", endpoint.create, "acme", sdk.EndpointIn(url="ftp://a.example"))
    step("endpoint.get", endpoint.get, "acme", "main")
    step("endpoint.patch", endpoint.patch, "acme", "main", sdk.EndpointPatch(description="Moved"))
    replaced = EndpointUpsertIn(url=on.receiver, uid="main", description="Main", **only_paid)
    step("endpoint.upsert", upsert(endpoint), "acme", "main", replaced)
    endpoint.create("acme", sdk.EndpointIn(url=on.failing, uid="failing"))
    step("endpoint.list", endpoint.list, "acme", sdk.EndpointListOptions(order="ascending"))
    step("endpoint.delete: unknown", endpoint.delete, "acme", "unknown")


def secrets_and_headers(on: Round) -> None:
    step, endpoint = on.step, on.svix.endpoint
    step("endpoint.get_secret", endpoint.get_secret, "acme", "main")
    rotation = sdk.EndpointSecretRotateIn(key=OTHER, grace_period_seconds=3600)
    step("endpoint.rotate_secret", endpoint.rotate_secret, "acme", "main", rotation)
    step("endpoint.get_secret: rotated", endpoint.get_secret, "acme", "main")
    set_headers = getattr(endpoint, "set_headers", None) or endpoint.update_headers
    headers = sdk.EndpointHeadersIn(headers={"X-Api-Test": "1", "X-Old": "2"})
    step("endpoint.set_headers", set_headers, "acme", "main", headers)
    changes = sdk.EndpointHeadersPatchIn(headers={"Authorization": "Bearer x"}, delete_headers=["X-Old"])
    step("endpoint.patch_headers", endpoint.patch_headers, "acme", "main", changes)
    step("endpoint.get_headers", endpoint.get_headers, "acme", "main")
    forbidden = sdk.EndpointHeadersIn(headers={"Content-Length": "1"})
    step("endpoint.set_headers: forbidden", set_headers, "acme", "main", forbidden)


def messages(on: Round) -> None:
    step, message = on.step, on.svix.message
    options = sdk.MessageCreateOptions(idempotency_key="once", with_content=True)
    paid = sdk.MessageIn(event_type="order.paid", event_id="order-1", payload={"z": 1, "a": "ä"})
    sent = step("message.create", message.create, "acme", paid, options)
    step("message.create: repeated", message.create, "acme", paid, options)
    step("message.create: taken", message.create, "acme", paid)
    step("message.create: no application", message.create, "nobody", paid)
    step("message.get", message.get, "acme", "order-1", sdk.MessageGetOptions(with_content=True))
    step("message.get: bare", message.get, "acme", sent.id, sdk.MessageGetOptions(with_content=False))
    step("message.get: unknown", message.get, "acme", UNKNOWN)
    for number in (2, 3):
        shipped = sdk.MessageIn(event_type="order.shipped", payload={"n": number}, channels=["us"])
        message.create("acme", shipped)
    step(
        "message.list",
        pages,
        lambda iterator: message.list(
            "acme", sdk.MessageListOptions(limit=2, iterator=iterator, with_content=True)
        ),
    )
    filtered = sdk.MessageListOptions(
        channel="us", event_types=["order.shipped", "x"], limit=1, with_content=False
    )
    step("message.list: filtered", message.list, "acme", filtered)
    before = sdk.MessageListOptions(before=sent.timestamp, with_content=False)
    step("message.list: before", message.list, "acme", before)


def extras(on: Round) -> None:
    """What the open-source server of these SDKs leaves out."""
    step, message = on.step, on.svix.message
    tomorrow = datetime.now(UTC) + timedelta(hours=20)
    later = sdk.MessageIn(event_type="order.due", payload={"n": 4}, tags=["vip"], deliver_at=tomorrow)
    with_content = sdk.MessageCreateOptions(with_content=True)
    step("message.create: later", message.create, "bits", later, with_content)
    tagged = sdk.MessageListOptions(tag="vip", with_content=True)
    step("message.list: tagged", message.list, "bits", tagged)
    headed = sdk.EndpointIn(url=f"{on.receiver}/raw", headers={"X-Api-Test": "1"}, uid="headed")
    on.svix.endpoint.create("bits", headed)
    step("endpoint.get_headers: of its creation", on.svix.endpoint.get_headers, "bits", "headed")
    raw = message_in_raw("order.raw", "a=1&b=2", "application/x-www-form-urlencoded")
    sent = step("message.create: raw", message.create, "bits", raw)
    attempts_of = on.svix.message_attempt.list_by_msg
    until(lambda: attempts_of("bits", sent.id), lambda page: page.data)


def bounds(on: Round) -> None:
    """What a request may ask for, and what comes with it."""
    step, message = on.step, on.svix.message
    newcomer = sdk.ApplicationIn(name="Newcomer", uid="newcomer")
    first = sdk.MessageIn(event_type="order.paid", payload={}, application=newcomer)
    step("message.create: its application, too", message.create, "newcomer", first)
    step("application.get: newcomer", on.svix.application.get, "newcomer")
    large = sdk.MessageIn(event_type="order.paid", payload={"text": "x" * 3_000_000})
    step("message.create: too large", message.create, "bits", large)
    step("message.list: too many", message.list, "bits", sdk.MessageListOptions(limit=251))


def lost_answers(on: Round) -> None:
    """The answer to the first try does not come through; the SDK tries again by itself."""
    message = on.svix.message
    once = sdk.MessageIn(event_type="order.paid", payload={"n": 1})
    bare = sdk.MessageCreateOptions(with_content=False)
    on.step("message.create: answer lost", message.create, "lossy", once, bare)
    listed = sdk.MessageListOptions(with_content=False)
    on.step("message.list: answer lost", message.list, "lossy", listed)


def attempts(on: Round) -> None:
    step, attempt = on.step, on.svix.message_attempt
    by_endpoint = sdk.MessageAttemptListByEndpointOptions(with_content=True, with_msg=True)

    def at_main() -> Page:
        page: Page = attempt.list_by_endpoint("acme", "main", by_endpoint)
        return page

    (first,) = step("attempt.list_by_endpoint", until, at_main, lambda page: len(page.data) == 1).data
    step("attempt.get", attempt.get, "acme", first.msg_id, first.id)
    step("attempt.get: unknown", attempt.get, "acme", UNKNOWN, first.id)

    status = sdk.MessageStatus
    failures = sdk.MessageAttemptListByEndpointOptions(status=status.FAIL)
    until(lambda: attempt.list_by_endpoint("acme", "failing", failures), lambda page: len(page.data) == 3)
    of_one = sdk.MessageAttemptListByMsgOptions(
        endpoint_id="failing", with_content=True, status_code_class=500
    )
    step("attempt.list_by_msg", attempt.list_by_msg, "acme", "order-1", of_one)
    went_to = sdk.MessageAttemptListAttemptedDestinationsOptions(limit=5)
    destinations = attempt.list_attempted_destinations
    step("attempt.list_attempted_destinations", destinations, "acme", "order-1", went_to)
    waiting = sdk.MessageAttemptListAttemptedMessagesOptions(
        status=status.SENDING, with_content=True, event_types=["order.shipped"]
    )
    of_failing = attempt.list_attempted_messages
    step("attempt.list_attempted_messages", of_failing, "acme", "failing", waiting)
    step("attempt.resend", attempt.resend, "acme", "order-1", "main")
    until(at_main, lambda page: len(page.data) == 2)
    step("attempt.expunge_content", attempt.expunge_content, "acme", first.msg_id, first.id)
    step("attempt.get: expunged", attempt.get, "acme", first.msg_id, first.id)


def by_hand(on: Round) -> None:
    step, endpoint = on.step, on.svix.endpoint
    example = sdk.EventExampleIn(event_type="order.paid")
    step("endpoint.send_example", endpoint.send_example, "acme", "main", example)
    unknown = sdk.EventExampleIn(event_type="no.such")
    step("endpoint.send_example: unknown type", endpoint.send_example, "acme", "main", unknown)

    def stats() -> Any:  # noqa: ANN401
        return endpoint.get_stats("acme", "main")

    step("endpoint.get_stats", until, stats, lambda stats: stats.success == 3)
    years = sdk.EndpointGetStatsOptions(since=datetime.fromisoformat("2020-01-01T00:00:00+00:00"))
    step("endpoint.get_stats: too long ago", endpoint.get_stats, "acme", "main", years)


def portal(on: Round) -> None:
    step, authentication = on.step, on.svix.authentication
    access = sdk.AppPortalAccessIn(feature_flags=[])
    made = authentication.app_portal_access("acme", access)
    guest = on.client(made.token)
    step("portal: application.get", guest.application.get, "acme")
    step("portal: application.get: another", guest.application.get, "bits")
    step("portal: application.list", guest.application.list)
    step("portal: event_type.list", guest.event_type.list)
    step("portal: endpoint.list", guest.endpoint.list, "acme")
    step("portal: message.list", guest.message.list, "acme", sdk.MessageListOptions(with_content=False))
    step("portal: logout", guest.authentication.logout)
    expiry = sdk.ApplicationTokenExpireIn()
    step("authentication.expire_all", authentication.expire_all, "acme", expiry)
    step("portal: expired", guest.application.get, "acme")
    step("application.get: wrong token", on.client("nonsense").application.get, "acme")


def operational_webhooks(on: Round) -> None:
    step, svix = on.step, on.svix
    endpoint = getattr(svix, "operational_webhook_endpoint", None) or svix.operational_webhook.endpoint
    made = sdk.OperationalWebhookEndpointIn(url=f"{on.receiver}/operational", uid="ops", secret=SECRET)
    step("operational.create", endpoint.create, made)
    step("operational.create: taken", endpoint.create, made)
    step("operational.get", endpoint.get, "ops")
    only_disabled = {FILTER: ["endpoint.disabled"]}
    moved = OperationalUpsertIn(url=on.receiver, uid="ops", description="Ours", **only_disabled)
    step("operational.upsert", upsert(endpoint), "ops", moved)
    step("operational.list", endpoint.list)
    step(
        "operational.rotate_secret",
        endpoint.rotate_secret,
        "ops",
        sdk.OperationalWebhookEndpointSecretIn(key=OTHER),
    )
    step("operational.get_secret", endpoint.get_secret, "ops")
    set_headers = getattr(endpoint, "set_headers", None) or endpoint.update_headers
    headers = sdk.OperationalWebhookEndpointHeadersIn(headers={"X-Api-Key": "1"})
    step("operational.set_headers", set_headers, "ops", headers)
    step("operational.get_headers", endpoint.get_headers, "ops")
    step("operational.delete", endpoint.delete, "ops")
    step("operational.get: gone", endpoint.get, "ops")


def many(on: Round) -> None:
    step, svix = on.step, on.svix
    since = datetime.now(UTC) - timedelta(hours=1)
    recover = svix.endpoint.recover
    task = step("endpoint.recover", recover, "acme", "failing", sdk.RecoverIn(since=since))

    def ended(task: Any) -> Any:  # noqa: ANN401
        return until(lambda: svix.background_task.get(task.id), lambda task: task.status != "running")

    step("background_task.get", ended, task)
    step("endpoint.recover: unknown", recover, "acme", "unknown", sdk.RecoverIn(since=since))
    too_long_ago = sdk.RecoverIn(since=since - timedelta(days=14))
    step("endpoint.recover: too long ago", recover, "acme", "failing", too_long_ago)
    asked = sdk.MessagePrecheckIn(event_type="order.paid", channels=["eu"])
    step("message.precheck", svix.message.precheck, "acme", asked)
    step("background_task.get: purge", ended, svix.message.expunge_all_contents("acme"))
    step("background_task.list", svix.background_task.list)

    count, gather = svix.statistics.aggregate_app_stats, svix.statistics.aggregate_event_types
    month = {"since": since - timedelta(days=30), "until": since + timedelta(days=1)}
    counted = step("statistics.app", count, sdk.AppUsageStatsIn(**month, app_ids=["acme", "unknown"]))
    step("background_task.get: app stats", ended, counted)
    step("statistics.app: unknown", count, sdk.AppUsageStatsIn(**month, app_ids=["unknown"]))
    step("background_task.get: event types", ended, step("statistics.event_types", gather))


def long_ago(on: Round) -> None:
    """What only the oldest have."""
    authentication = on.svix.authentication
    if hasattr(authentication, "dashboard_access"):
        on.step("authentication.dashboard_access", authentication.dashboard_access, "acme")


def farewell(on: Round) -> None:
    step, svix = on.step, on.svix
    step("message.expunge_content", svix.message.expunge_content, "acme", "order-1")
    shown = sdk.MessageGetOptions(with_content=True)
    step("message.get: expunged", svix.message.get, "acme", "order-1", shown)
    step("attempt.resend: expunged", svix.message_attempt.resend, "acme", "order-1", "main")
    step("endpoint.delete", svix.endpoint.delete, "acme", "main")
    step("endpoint.get: gone", svix.endpoint.get, "acme", "main")


def health(on: Round) -> None:
    on.step("health.get", on.svix.health.get)


PARTS = (
    health, applications, event_types, endpoints, secrets_and_headers, messages, extras, bounds, lost_answers,
    attempts, by_hand, many, portal, operational_webhooks, long_ago, farewell,
)  # fmt: skip


if __name__ == "__main__":
    here = Round(**json.loads(sys.argv[1]))
    for part in PARTS:
        part(here)
    print(json.dumps(here.steps))  # noqa: T201  the transcript
