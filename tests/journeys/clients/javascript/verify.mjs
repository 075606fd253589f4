// What a receiver does, by a JavaScript SDK's verifier and the one that it is built on: prints which deliveries each
// holds to be genuine.
//
//     node verify.mjs folder-of-the-sdk '[{"secret": "whsec_…", "headers": {…}, "body": "…"}, …]'

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [, , folder, argument] = process.argv;
const { resolve } = createRequire(`${folder}/`);
const svix = await import(pathToFileURL(resolve(folder)));
const standard = await import(pathToFileURL(resolve("standardwebhooks")));

function isGenuine(Webhook, { secret, headers, body }) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch (wrong) {
    if (!(wrong instanceof standard.WebhookVerificationError)) throw wrong;
    return false;
  }
}

const deliveries = JSON.parse(argument);
console.log(
  JSON.stringify({
    svix: deliveries.map((delivery) => isGenuine(svix.Webhook, delivery)),
    standardwebhooks: deliveries.map((delivery) => isGenuine(standard.Webhook, delivery)),
  }),
);
