"""What a receiver does, by the verifiers on the path: prints which deliveries each holds to be genuine.

python -m tests.journeys.clients.python.verify '[{"secret": "whsec_…", "headers": {…}, "body": "…"}, …]'
"""

import json
import sys
from importlib import import_module
from typing import Any

svix: Any = import_module("svix.webhooks")
standard: Any = import_module("standardwebhooks.webhooks")


def is_genuine(webhook: Any, secret: str, headers: dict[str, str], body: str) -> bool:  # noqa: ANN401
    try:
        webhook(secret).verify(body, headers)
    except standard.WebhookVerificationError:
        return False
    return True


if __name__ == "__main__":
    deliveries = json.loads(sys.argv[1])
    found = {
        name: [is_genuine(webhook, **delivery) for delivery in deliveries]
        for name, webhook in (("svix", svix.Webhook), ("standardwebhooks", standard.Webhook))
    }
    print(json.dumps(found))  # noqa: T201
