"""The worker's side: Azure's worker library with our function app, asked over standard input.

On Azure, host and worker talk protobuf over gRPC. The library only reads and fills objects that the
worker hands it; here, objects made from JSON lines take their place.

    in   {"method": "init", "folder": "/the/app"}     {"method": "index"}
         {"method": "invoke", "function": id, "inputs": {name: data}, "metadata": {name: data}, "trace": {…}}
    out  the fields of the library's answer
    data {"json": text} {"string": text} {"bytes": base64} {"http": {…}}

Run as `python -m tests.worker.process` in the folder of the app; what the app logs goes to standard error.
"""

import asyncio
import base64
import json
import os
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as library  # type: ignore[import-not-found,unused-ignore]  # for Python 3.13 alone

INVOCATION = "7e5c9f6c-9c3b-4c55-8f3e-0c1f4d6b2a11"


class Message:
    """What the library takes for a protobuf message: whatever fields it was made with."""

    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)

    def WhichOneof(self, name: str) -> str | None:  # noqa: N802  protobuf's name
        """Which of the alternatives of that name is set: a binding's is `data`, a datum has nothing else."""
        return "data" if name == "rpc_data" else next(iter(self.__dict__), None)


class StatusResult(Message):
    """How a call ended."""

    Failure, Success = 0, 1


MESSAGES = (
    "FunctionLoadResponse FunctionMetadataResponse InvocationResponse NullableBool NullableDouble"
    " NullableString NullableTimestamp ParameterBinding RpcException RpcFunctionMetadata RpcHttp"
    " RpcHttpCookie RpcRetryOptions TypedData WorkerInitResponse WorkerMetadata"
)
PROTOS = SimpleNamespace(
    # `in` is a word of Python's.
    BindingInfo=type("BindingInfo", (Message,), {"undefined": 0, "in": 0, "out": 1, "inout": 2}),
    StatusResult=StatusResult,
    **{name: type(name, (Message,), {}) for name in MESSAGES.split()},
)


class Worker:
    """Answers what the host asks."""

    async def init(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Load the app and index its functions."""
        init = Message(capabilities={}, function_app_directory=asked["folder"])
        properties = {"host": "127.0.0.1", "protos": PROTOS}
        answer = await library.worker_init_request(
            Message(request=Message(worker_init_request=init), properties=properties)
        )
        return _outcome(answer.result)

    async def index(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        """The functions, with their bindings as the host reads them."""
        answer = await library.functions_metadata_request(None)
        found = answer.function_metadata_results or ()
        return {
            **_outcome(answer.result),
            "functions": {
                one.name: {"id": one.function_id, "bindings": [json.loads(raw) for raw in one.raw_bindings]}
                for one in found
            },
        }

    async def invoke(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a function."""
        trace = asked.get("trace", {})
        invocation = Message(
            invocation_id=INVOCATION,
            function_id=asked["function"],
            input_data=[Message(name=name, data=_typed(data)) for name, data in asked["inputs"].items()],
            trigger_metadata={name: _typed(data) for name, data in asked.get("metadata", {}).items()},
            trace_context=Message(
                trace_parent=trace.get("parent", ""), trace_state=trace.get("state", ""), attributes={}
            ),
            retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await library.invocation_request(Message(request=Message(invocation_request=invocation)))
        return {**_outcome(answer.result), "value": _untyped(getattr(answer, "return_value", None))}


def _outcome(result: Any) -> Mapping[str, Any]:  # noqa: ANN401  made by the library
    failed = result.status != StatusResult.Success
    return {
        "ok": not failed,
        "why": f"{result.exception.message}\n{result.exception.stack_trace}" if failed else "",
    }


def _typed(data: Mapping[str, Any]) -> Message:
    ((kind, value),) = data.items()
    if kind == "bytes":
        value = base64.b64decode(value)
    elif kind == "http":
        value = Message(**{**value, "body": _typed(value["body"])})
    typed: Message = PROTOS.TypedData(**{kind: value})
    return typed


def _untyped(data: Any) -> Any:  # noqa: ANN401  made by the library
    if data is None:
        return None
    kind = data.WhichOneof("data")
    value = getattr(data, kind)
    if kind == "bytes":
        return {kind: base64.b64encode(value).decode()}
    if kind == "http":
        return {kind: {"status": value.status_code, "headers": value.headers, "body": _untyped(value.body)}}
    return {kind: value}


async def serve() -> None:
    """Answer one line after the other until there are no more."""
    # What the app prints would be taken for an answer.
    answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    worker = Worker()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        answer = await getattr(worker, asked["method"])(asked)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    asyncio.run(serve())
