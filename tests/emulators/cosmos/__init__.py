"""A Cosmos DB for tests: documents, batches and queries over the wire of the official SDK."""

from tests.emulators.cosmos.emulator import CosmosEmulator
from tests.emulators.cosmos.faults import CLOSE, Fault

__all__ = ["CLOSE", "CosmosEmulator", "Fault"]
