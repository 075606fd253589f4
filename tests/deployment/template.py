"""Works out what an ARM template deploys, as Resource Manager does, without deploying it.

    deployed = deploy(json.loads(path.read_text()), {"jwtSecret": "…"})
    deployed.of_type("Microsoft.KeyVault/vaults")
    deployed.outputs["url"]

It knows the part of the language that our template uses; anything else is a `KeyError` that names it. What
Azure would only know afterwards, such as the address of an account, is made up as Azure makes it up.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

NESTED = "Microsoft.Resources/deployments"
GROUP = {"id": "/subscriptions/sub/resourceGroups/acme", "location": "westeurope"}
CLIENT_ID = "00000000-1111-2222-3333-444444444444"
PRINCIPAL_ID = "55555555-6666-7777-8888-999999999999"
INGESTION = "InstrumentationKey=7e5c9f6c-9c3b-4c55-8f3e-0c1f4d6b2a11;IngestionEndpoint=https://westeurope.in/"

Properties = Mapping[str, Any]

AFTERWARDS: Mapping[str, Callable[[str], Properties]] = {
    "Microsoft.DocumentDB/databaseAccounts": lambda name: {
        "documentEndpoint": f"https://{name}.documents.azure.com:443/"
    },
    "Microsoft.Insights/components": lambda _: {"ConnectionString": INGESTION},
    "Microsoft.KeyVault/vaults": lambda name: {"vaultUri": f"https://{name}.vault.azure.net/"},
    "Microsoft.KeyVault/vaults/keys": lambda name: {
        "keyUri": "https://{}.vault.azure.net/keys/{}".format(*name.split("/"))
    },
    "Microsoft.ManagedIdentity/userAssignedIdentities": lambda _: {
        "clientId": CLIENT_ID,
        "principalId": PRINCIPAL_ID,
    },
    "Microsoft.ServiceBus/namespaces": lambda name: {
        "serviceBusEndpoint": f"https://{name}.servicebus.windows.net:443/"
    },
    "Microsoft.Storage/storageAccounts": lambda name: {
        "primaryEndpoints": {"blob": f"https://{name}.blob.core.windows.net/"}
    },
    "Microsoft.Web/sites": lambda name: {"defaultHostName": f"{name}.azurewebsites.net"},
}
"""What Azure tells of a resource of a type and name when it has been made."""


@dataclass(frozen=True)
class Deployed:
    """What a template has made.

    Attributes:
        resources: As they were asked for, those of its modules included.
    """

    resources: Sequence[Mapping[str, Any]]
    outputs: Mapping[str, Any]

    def of_type(self, name: str) -> list[Mapping[str, Any]]:
        """The resources of a type."""
        return [resource for resource in self.resources if resource["type"] == name]


def deploy(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> Deployed:
    """Work out what a template deploys."""
    scope = Scope(template, parameters)
    resources = [made for symbol in scope.resources for made in scope.made(symbol)]
    return Deployed(resources, scope.outputs)


@dataclass(frozen=True)
class Scope:
    """What the expressions of a template may name."""

    template: Mapping[str, Any]
    given: Mapping[str, Any]
    index: int | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Of lambdas."""

    def value(self, written: Any) -> Any:  # noqa: ANN401  as JSON has it
        """What something stands for: expressions in it are worked out."""
        if isinstance(written, dict):
            return {self.value(name): self.value(one) for name, one in written.items()}
        if isinstance(written, list):
            return [self.value(one) for one in written]
        if isinstance(written, str) and written.startswith("["):
            return parsed(written[1:-1])(self)
        return written

    @cached_property
    def resources(self) -> Mapping[str | int, Mapping[str, Any]]:
        """The resources as they are written, by their symbols, or by their places if they have none."""
        written = self.template["resources"]
        return written if isinstance(written, dict) else dict(enumerate(written))

    def made(self, symbol: str | int) -> Iterator[Mapping[str, Any]]:
        """The resources that one of the template stands for; those of a module in its place."""
        resource = self.resources[symbol]
        if not self.value(resource.get("condition", True)):
            return
        times = self.value(resource["copy"]["count"]) if "copy" in resource else None
        for index in [None] if times is None else range(times):
            one = Scope(self.template, self.given, index)
            if resource["type"] == NESTED:
                yield from one.module(symbol).resources
            else:
                yield {name: one.value(said) for name, said in resource.items() if name != "copy"}

    def module(self, symbol: str | int) -> Deployed:
        """What a module has made."""
        nested = self.resources[symbol]["properties"]
        parameters = {name: self.value(said["value"]) for name, said in nested["parameters"].items()}
        return deploy(nested["template"], parameters)

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """What the template tells of itself."""
        return {name: self.value(said["value"]) for name, said in self.template.get("outputs", {}).items()}

    def parameter(self, name: str) -> Any:  # noqa: ANN401  as JSON has it
        """One that was given, or its default."""
        if name in self.given:
            return self.given[name]
        return self.value(self.template["parameters"][name]["defaultValue"])

    def reference(self, named: str, _version: str = "") -> Properties:
        """What Azure tells of a resource that has been made, by its symbol or its id."""
        if named.startswith("/"):
            kind, _, name = named.partition(":")
            return AFTERWARDS[kind.removeprefix("/")](name)
        resource = self.resources[named]
        if resource["type"] == NESTED:
            return {"outputs": {name: {"value": said} for name, said in self.module(named).outputs.items()}}
        return AFTERWARDS[resource["type"]](self.value(resource["name"]))


Expression = Callable[[Scope], Any]


def resource_id(kind: str, *names: str) -> str:
    """An id that `reference` understands."""
    return f"/{kind}:{'/'.join(names)}"


def digest(*texts: str) -> str:
    """Thirteen letters and digits, the same for the same texts."""
    return "u" + sha256("|".join(texts).encode()).hexdigest()[:12]


def united(*objects: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where several say something, the last one counts."""
    return {name: said for one in objects for name, said in one.items()}


PLAIN: Mapping[str, Callable[..., Any]] = {
    "createArray": lambda *items: list(items),
    "createObject": lambda *pairs: dict(zip(pairs[::2], pairs[1::2], strict=True)),
    "deployment": lambda: {"name": "main"},
    "empty": lambda text: not text,
    "equals": lambda one, other: one == other,
    "flatten": lambda lists: [item for one in lists for item in one],
    "format": lambda text, *values: text.format(*values),
    "guid": lambda *texts: str(uuid5(NAMESPACE_URL, "|".join(texts))),
    "if": lambda is_so, one, other: one if is_so else other,
    "length": len,
    "map": lambda items, change: [change(item) for item in items],
    "not": lambda is_so: not is_so,
    "resourceGroup": lambda: GROUP,
    "resourceId": resource_id,
    "split": lambda text, at: text.split(at),
    "subscriptionResourceId": resource_id,
    "tenant": lambda: {"tenantId": "tenant"},
    "union": united,
    "uniqueString": digest,
}
"""Functions of their arguments alone."""

SCOPED: Mapping[str, Callable[..., Any]] = {
    "copyIndex": lambda scope: scope.index,
    "lambdaVariables": lambda scope, name: scope.variables[name],
    "parameters": Scope.parameter,
    "reference": Scope.reference,
    "variables": lambda scope, name: scope.value(scope.template["variables"][name]),
}
"""Functions of the scope as well."""

TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+)|([A-Za-z]\w*)|(.))")


def parsed(text: str) -> Expression:
    """The expression that stands in brackets in a template."""
    tokens = list(TOKEN.finditer(text))
    expression, rest = _expression(tokens)
    assert not rest, text
    return expression


Tokens = list[re.Match[str]]


def _expression(tokens: Tokens) -> tuple[Expression, Tokens]:
    """A literal or a call, and what is taken out of it."""
    expression, tokens = _first(tokens)
    while tokens and tokens[0][4] in (".", "["):
        of = expression
        if tokens[0][4] == ".":
            expression, tokens = _member(of, _constant(tokens[1][3])), tokens[2:]
        else:
            at, tokens = _expression(tokens[1:])
            expression, tokens = _member(of, at), tokens[1:]
    return expression, tokens


def _first(tokens: Tokens) -> tuple[Expression, Tokens]:
    text, number, name, _ = tokens[0].groups()
    if text is not None:
        return _constant(text.replace("''", "'")), tokens[1:]
    if number is not None:
        return _constant(int(number)), tokens[1:]
    arguments, tokens = [], tokens[2:]
    while tokens[0][4] != ")":
        argument, tokens = _expression(tokens)
        arguments.append(argument)
        if tokens[0][4] == ",":
            tokens = tokens[1:]
    return _call(name, arguments), tokens[1:]


def _constant(value: Any) -> Expression:  # noqa: ANN401  as JSON has it
    return lambda _: value


def _member(of: Expression, at: Expression) -> Expression:
    return lambda scope: of(scope)[at(scope)]


def _call(name: str, arguments: Sequence[Expression]) -> Expression:
    if name == "lambda":
        *names, body = arguments
        return lambda scope: _function(scope, [one(scope) for one in names], body)
    if name in SCOPED:
        return lambda scope: SCOPED[name](scope, *(one(scope) for one in arguments))
    return lambda scope: PLAIN[name](*(one(scope) for one in arguments))


def _function(scope: Scope, names: Sequence[str], body: Expression) -> Callable[..., Any]:
    def call(*values: object) -> Any:  # noqa: ANN401  as JSON has it
        variables = {**scope.variables, **dict(zip(names, values, strict=True))}
        return body(Scope(scope.template, scope.given, scope.index, variables))

    return call
