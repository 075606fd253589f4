"""The stand-in for Azure's host: it starts a worker and hands it what the host would hand it."""

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]

Data = Mapping[str, object]
"""One of the forms of `tests.worker.process`."""


class Worker:
    """A worker process with our function app."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        """Start one that logs into a file."""
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.worker.process"],
                cwd=ROOT, env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self.functions: Mapping[str, Any] = {}
        """By name: their ids, and their bindings as the host reads them."""

    def __enter__(self) -> Self:
        loaded = self._ask(method="init", folder=str(ROOT))
        assert loaded["ok"], loaded["why"]
        self.functions = self._ask(method="index")["functions"]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def call(
        self, name: str, inputs: Mapping[str, Data], metadata: Mapping[str, Data] | None = None
    ) -> Mapping[str, Any]:
        """Have a function called; return `ok`, `why` and `value`."""
        return self._ask(
            method="invoke",
            function=self.functions[name]["id"],
            inputs=inputs,
            metadata=metadata or {},
            trace={"parent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        )

    def _ask(self, **asked: object) -> Mapping[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self._log.read_text()[-4000:]
        said: Mapping[str, Any] = json.loads(answer)
        return said


def an_http_request(method: str, path: str, token: str, body: object = None) -> Mapping[str, Data]:
    """A request as the host hands it over: the path also as the parameter of the route."""
    content = b"" if body is None else json.dumps(body).encode()
    return {
        "req": {
            "http": {
                "method": method,
                "url": f"https://heliograph.azurewebsites.net{path}",
                "headers": {"authorization": f"Bearer {token}", "content-type": "application/json"},
                "params": {"route": path.lstrip("/")},
                "query": {},
                "body": _octets(content),
            }
        }
    }


def a_queue_message(
    body: bytes, *, delivery_count: int = 1, **properties: str
) -> dict[str, Mapping[str, Data]]:
    """A Service Bus message as the host hands it over: `inputs` and `metadata`."""
    metadata = {
        "MessageId": {"string": "9f1c1c3e9b6f4c1f8d0d9a1b2c3d4e5f"},
        "DeliveryCount": {"json": str(delivery_count)},
        "SequenceNumber": {"json": "7"},
        "EnqueuedTimeUtc": {"json": '"2026-11-24T09:00:00Z"'},
        "ApplicationProperties": {"json": json.dumps(properties)},
        "UserProperties": {"json": json.dumps(properties)},
    }
    return {"inputs": {"message": _octets(body)}, "metadata": metadata}


def a_timer() -> Mapping[str, Data]:
    """A run of a timer that comes late, as the host hands it over."""
    status = {
        "Last": "2026-11-24T09:00:00Z",
        "Next": "2026-11-24T09:01:00Z",
        "LastUpdated": "2026-11-24T09:00:00Z",
    }
    told = {"IsPastDue": True, "ScheduleStatus": status, "Schedule": {"AdjustForDST": True}}
    return {"timer": {"json": json.dumps(told)}}


def _octets(content: bytes) -> Data:
    return {"bytes": base64.b64encode(content).decode()}
