// The steps of `python/round.py` under the same names, by a JavaScript SDK. Prints every answer as JSON.
//
//     node round.mjs folder-of-the-sdk '{"url": …, "token": …, "receiver": …, "failing": …}'

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const PATIENCE_MS = 30_000;
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const UNKNOWN = "msg_2ZCPRZ1s0GhAvWVA7PXcbMmJhVo";
const SCHEMAS = { 1: { type: "object", examples: [{ n: 7 }] } };

const [, , folder, argument] = process.argv;
const { url, token, receiver, failing } = JSON.parse(argument);
const { Svix, ApiException, MessageStatus, messageInRaw } = await import(
  pathToFileURL(createRequire(import.meta.url).resolve(folder))
);

const client = (token) => new Svix(token, { serverUrl: url });
const svix = client(token);
const isOld = !("upsert" in svix.application);
const upsert = (resource) => (isOld ? resource.update : resource.upsert).bind(resource);
const filter = isOld ? "filterTypes" : "eventTypes";
const onlyPaid = { [filter]: ["order.paid"] };
const steps = {};

/** Write down what a call answers; give it back, or undefined if it was refused. */
async function step(name, call) {
  assert(!(name in steps), name);
  try {
    const answer = await call();
    steps[name] = answer ?? null;
    return answer;
  } catch (wrong) {
    if (!(wrong instanceof ApiException)) throw wrong;
    steps[name] = { refused: wrong.code, ...wrong.body };
  }
}

/** All rows of a list, page by page. */
async function pages(ask) {
  const rows = [];
  for (let page = { iterator: undefined, done: false }; !page.done; ) {
    page = await ask(page.iterator);
    rows.push(...page.data);
  }
  return rows;
}

/** Ask again and again for what is certain to come. */
async function until(ask, enough) {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (enough(answer)) return answer;
    assert(performance.now() < deadline, JSON.stringify(answer));
  }
}

async function health() {
  await step("health.get", () => svix.health.get());
}

async function applications() {
  const { application } = svix;
  const acme = { name: "Acme", uid: "acme", metadata: { tier: "gold" } };
  await step("application.create", () => application.create(acme));
  await step("application.get", () => application.get("acme"));
  await step("application.get_or_create", () => application.getOrCreate({ name: "Else", uid: "acme" }));
  await step("application.create: taken", () => application.create(acme));
  await step("application.create: no name", () => application.create({ name: "" }));
  await step("application.patch", () => application.patch("acme", { throttleRate: 9 }));
  await step("application.upsert", () => upsert(application)("acme", acme));
  for (const uid of ["bits", "cogs", "lossy"]) {
    await application.create({ name: uid[0].toUpperCase() + uid.slice(1), uid });
  }
  await step("application.delete", () => application.delete("cogs"));
  await step("application.get: gone", () => application.get("cogs"));
  await step("application.list", () => pages((iterator) => application.list({ limit: 2, iterator })));
}

async function eventTypes() {
  const { eventType } = svix;
  const paid = { name: "order.paid", description: "Paid", schemas: SCHEMAS };
  await step("event_type.create", () => eventType.create(paid));
  await step("event_type.create: taken", () => eventType.create(paid));
  await step("event_type.get", () => eventType.get("order.paid"));
  await step("event_type.patch", () => eventType.patch("order.paid", { description: "Money" }));
  await step("event_type.upsert", () =>
    upsert(eventType)("order.paid", { description: "Paid", schemas: SCHEMAS }),
  );
  await eventType.create({ name: "order.lost", description: "" });
  await step("event_type.delete", () => eventType.delete("order.lost"));
  await step("event_type.list", () => eventType.list({ includeArchived: true, withContent: true }));
  await step("event_type.delete: for good", () => eventType.delete("order.lost", { expunge: true }));
  await step("event_type.get: gone", () => eventType.get("order.lost"));
  const spec = { openapi: "3.1.0", webhooks: { "order.found": { post: { summary: "Found" } } } };
  await step("event_type.import_openapi", () => eventType.importOpenapi({ spec }));
  await eventType.delete("order.found", { expunge: true });
}

async function endpoints() {
  const { endpoint } = svix;
  const main = {
    url: receiver,
    uid: "main",
    description: "Main",
    secret: SECRET,
    channels: ["eu"],
    metadata: { by: "hand" },
    ...onlyPaid,
  };
  await step("endpoint.create", () => endpoint.create("acme", main));
  await step("endpoint.create: taken", () => endpoint.create("acme", main));
  await step("endpoint.create: unknown type", () =>
    endpoint.create("acme", { url: receiver, [filter]: ["no.such"] }),
  );
  await step("endpoint.create: no URL", () => endpoint.create("acme", { url: "ftp://a.example" }));
  await step("endpoint.get", () => endpoint.get("acme", "main"));
  await step("endpoint.patch", () => endpoint.patch("acme", "main", { description: "Moved" }));
  await step("endpoint.upsert", () =>
    upsert(endpoint)("acme", "main", { url: receiver, uid: "main", description: "Main", ...onlyPaid }),
  );
  await endpoint.create("acme", { url: failing, uid: "failing" });
  await step("endpoint.list", () => endpoint.list("acme", { order: "ascending" }));
  await step("endpoint.delete: unknown", () => endpoint.delete("acme", "unknown"));
}

async function secretsAndHeaders() {
  const { endpoint } = svix;
  await step("endpoint.get_secret", () => endpoint.getSecret("acme", "main"));
  await step("endpoint.rotate_secret", () =>
    endpoint.rotateSecret("acme", "main", { key: OTHER, gracePeriodSeconds: 3600 }),
  );
  await step("endpoint.get_secret: rotated", () => endpoint.getSecret("acme", "main"));
  const setHeaders = (headers) =>
    (isOld ? endpoint.updateHeaders : endpoint.setHeaders).call(endpoint, "acme", "main", { headers });
  await step("endpoint.set_headers", () => setHeaders({ "X-Api-Test": "1", "X-Old": "2" }));
  await step("endpoint.patch_headers", () =>
    endpoint.patchHeaders("acme", "main", {
      headers: { Authorization: "Bearer x" },
      deleteHeaders: ["X-Old"],
    }),
  );
  await step("endpoint.get_headers", () => endpoint.getHeaders("acme", "main"));
  await step("endpoint.set_headers: forbidden", () => setHeaders({ "Content-Length": "1" }));
}

async function messages() {
  const { message } = svix;
  const paid = { eventType: "order.paid", eventId: "order-1", payload: { z: 1, a: "ä" } };
  const options = { idempotencyKey: "once", withContent: true };
  const sent = await step("message.create", () => message.create("acme", paid, options));
  await step("message.create: repeated", () => message.create("acme", paid, options));
  await step("message.create: taken", () => message.create("acme", paid));
  await step("message.create: no application", () => message.create("nobody", paid));
  await step("message.get", () => message.get("acme", "order-1", { withContent: true }));
  await step("message.get: bare", () => message.get("acme", sent.id, { withContent: false }));
  await step("message.get: unknown", () => message.get("acme", UNKNOWN));
  for (const n of [2, 3]) {
    await message.create("acme", { eventType: "order.shipped", payload: { n }, channels: ["us"] });
  }
  await step("message.list", () =>
    pages((iterator) => message.list("acme", { limit: 2, iterator, withContent: true })),
  );
  await step("message.list: filtered", () =>
    message.list("acme", { channel: "us", eventTypes: ["order.shipped", "x"], limit: 1, withContent: false }),
  );
  await step("message.list: before", () =>
    message.list("acme", { before: sent.timestamp, withContent: false }),
  );
}

/** What the open-source server of these SDKs leaves out. */
async function extras() {
  const { endpoint, message } = svix;
  const deliverAt = new Date(Date.now() + 20 * 60 * 60 * 1000);
  const later = { eventType: "order.due", payload: { n: 4 }, tags: ["vip"], deliverAt };
  await step("message.create: later", () => message.create("bits", later, { withContent: true }));
  await step("message.list: tagged", () => message.list("bits", { tag: "vip", withContent: true }));
  const headed = { url: `${receiver}/raw`, headers: { "X-Api-Test": "1" }, uid: "headed" };
  await endpoint.create("bits", headed);
  await step("endpoint.get_headers: of its creation", () => endpoint.getHeaders("bits", "headed"));
  const raw = messageInRaw("order.raw", "a=1&b=2", "application/x-www-form-urlencoded");
  const sent = await step("message.create: raw", () => message.create("bits", raw, { withContent: false }));
  await until(() => svix.messageAttempt.listByMsg("bits", sent.id), ({ data }) => data.length);
}

/** What a request may ask for, and what comes with it. */
async function bounds() {
  const { application, message } = svix;
  const newcomer = { name: "Newcomer", uid: "newcomer" };
  const first = { eventType: "order.paid", payload: {}, application: newcomer };
  await step("message.create: its application, too", () => message.create("newcomer", first));
  await step("application.get: newcomer", () => application.get("newcomer"));
  const large = { eventType: "order.paid", payload: { text: "x".repeat(3_000_000) } };
  await step("message.create: too large", () => message.create("bits", large));
  await step("message.list: too many", () => message.list("bits", { limit: 251 }));
}

/** The answer to the first try does not come through; the SDK tries again by itself. */
async function lostAnswers() {
  const { message } = svix;
  const withContent = false;
  await step("message.create: answer lost", () =>
    message.create("lossy", { eventType: "order.paid", payload: { n: 1 } }, { withContent }),
  );
  await step("message.list: answer lost", () => message.list("lossy", { withContent }));
}

async function attempts() {
  const { messageAttempt: attempt } = svix;
  const atMain = () => attempt.listByEndpoint("acme", "main", { withContent: true, withMsg: true });
  const { data: [first] } = await step("attempt.list_by_endpoint", () =>
    until(atMain, ({ data }) => data.length === 1),
  );
  await step("attempt.get", () => attempt.get("acme", first.msgId, first.id));
  await step("attempt.get: unknown", () => attempt.get("acme", UNKNOWN, first.id));

  const failures = { status: MessageStatus.Fail };
  await until(() => attempt.listByEndpoint("acme", "failing", failures), ({ data }) => data.length === 3);
  await step("attempt.list_by_msg", () =>
    attempt.listByMsg("acme", "order-1", { endpointId: "failing", withContent: true, statusCodeClass: 500 }),
  );
  await step("attempt.list_attempted_destinations", () =>
    attempt.listAttemptedDestinations("acme", "order-1", { limit: 5 }),
  );
  await step("attempt.list_attempted_messages", () =>
    attempt.listAttemptedMessages("acme", "failing", {
      status: MessageStatus.Sending,
      withContent: true,
      eventTypes: ["order.shipped"],
    }),
  );
  await step("attempt.resend", () => attempt.resend("acme", "order-1", "main"));
  await until(atMain, ({ data }) => data.length === 2);
  await step("attempt.expunge_content", () => attempt.expungeContent("acme", first.msgId, first.id));
  await step("attempt.get: expunged", () => attempt.get("acme", first.msgId, first.id));
}

async function byHand() {
  const { endpoint } = svix;
  await step("endpoint.send_example", () =>
    endpoint.sendExample("acme", "main", { eventType: "order.paid" }),
  );
  await step("endpoint.send_example: unknown type", () =>
    endpoint.sendExample("acme", "main", { eventType: "no.such" }),
  );
  await step("endpoint.get_stats", () =>
    until(() => endpoint.getStats("acme", "main"), ({ success }) => success === 3),
  );
  await step("endpoint.get_stats: too long ago", () =>
    endpoint.getStats("acme", "main", { since: new Date("2020-01-01T00:00:00Z") }),
  );
}

async function portal() {
  const { authentication } = svix;
  const made = await authentication.appPortalAccess("acme", { featureFlags: [] });
  const guest = client(made.token);
  await step("portal: application.get", () => guest.application.get("acme"));
  await step("portal: application.get: another", () => guest.application.get("bits"));
  await step("portal: application.list", () => guest.application.list());
  await step("portal: event_type.list", () => guest.eventType.list());
  await step("portal: endpoint.list", () => guest.endpoint.list("acme"));
  await step("portal: message.list", () => guest.message.list("acme", { withContent: false }));
  await step("portal: logout", () => guest.authentication.logout());
  await step("authentication.expire_all", () => authentication.expireAll("acme", {}));
  await step("portal: expired", () => guest.application.get("acme"));
  await step("application.get: wrong token", () => client("nonsense").application.get("acme"));
}

async function operationalWebhooks() {
  const endpoint = svix.operationalWebhookEndpoint ?? svix.operationalWebhook.endpoint;
  const made = { url: `${receiver}/operational`, uid: "ops", secret: SECRET };
  await step("operational.create", () => endpoint.create(made));
  await step("operational.create: taken", () => endpoint.create(made));
  await step("operational.get", () => endpoint.get("ops"));
  const onlyDisabled = { [filter]: ["endpoint.disabled"] };
  await step("operational.upsert", () =>
    upsert(endpoint)("ops", { url: receiver, uid: "ops", description: "Ours", ...onlyDisabled }),
  );
  await step("operational.list", () => endpoint.list());
  await step("operational.rotate_secret", () => endpoint.rotateSecret("ops", { key: OTHER }));
  await step("operational.get_secret", () => endpoint.getSecret("ops"));
  const setHeaders = (isOld ? endpoint.updateHeaders : endpoint.setHeaders).bind(endpoint);
  await step("operational.set_headers", () => setHeaders("ops", { headers: { "X-Api-Key": "1" } }));
  await step("operational.get_headers", () => endpoint.getHeaders("ops"));
  await step("operational.delete", () => endpoint.delete("ops"));
  await step("operational.get: gone", () => endpoint.get("ops"));
}

async function many() {
  const { backgroundTask, endpoint, message } = svix;
  const hoursAgo = (hours) => ({ since: new Date(Date.now() - hours * 3_600_000) });
  const ended = ({ id }) =>
    until(
      () => backgroundTask.get(id),
      ({ status }) => status !== "running",
    );
  const task = await step("endpoint.recover", () => endpoint.recover("acme", "failing", hoursAgo(1)));
  await step("background_task.get", () => ended(task));
  await step("endpoint.recover: unknown", () => endpoint.recover("acme", "unknown", hoursAgo(1)));
  await step("endpoint.recover: too long ago", () =>
    endpoint.recover("acme", "failing", hoursAgo(14 * 24 + 1)),
  );
  await step("message.precheck", () =>
    message.precheck("acme", { eventType: "order.paid", channels: ["eu"] }),
  );
  const purge = await message.expungeAllContents("acme");
  await step("background_task.get: purge", () => ended(purge));
  await step("background_task.list", () => backgroundTask.list());

  const { statistics } = svix;
  const month = { since: new Date(Date.now() - 30 * 86_400_000), until: new Date(Date.now() + 86_400_000) };
  const counted = await step("statistics.app", () =>
    statistics.aggregateAppStats({ ...month, appIds: ["acme", "unknown"] }),
  );
  await step("background_task.get: app stats", () => ended(counted));
  await step("statistics.app: unknown", () =>
    statistics.aggregateAppStats({ ...month, appIds: ["unknown"] }),
  );
  const gathered = await step("statistics.event_types", () => statistics.aggregateEventTypes());
  await step("background_task.get: event types", () => ended(gathered));
}

/** What only the oldest have. */
async function longAgo() {
  const { authentication } = svix;
  if ("dashboardAccess" in authentication) {
    await step("authentication.dashboard_access", () => authentication.dashboardAccess("acme"));
  }
}

async function farewell() {
  const { endpoint, message, messageAttempt } = svix;
  await step("message.expunge_content", () => message.expungeContent("acme", "order-1"));
  await step("message.get: expunged", () => message.get("acme", "order-1", { withContent: true }));
  await step("attempt.resend: expunged", () => messageAttempt.resend("acme", "order-1", "main"));
  await step("endpoint.delete", () => endpoint.delete("acme", "main"));
  await step("endpoint.get: gone", () => endpoint.get("acme", "main"));
}

const parts = [
  health, applications, eventTypes, endpoints, secretsAndHeaders, messages, extras, bounds, lostAnswers, attempts,
  byHand, many, portal, operationalWebhooks, longAgo, farewell,
];
for (const part of parts) await part();
console.log(JSON.stringify(steps));
