"""All queues of the namespace."""

from tests.emulators.servicebus.alarms import Alarms
from tests.emulators.servicebus.entries import Store
from tests.emulators.servicebus.queue import Queue
from tests.emulators.servicebus.settings import QueueSettings

DEAD_LETTERS = "$deadletterqueue"
"""The end of the path of a queue's dead letters."""


class Broker:
    """All queues."""

    def __init__(self, alarms: Alarms, store: Store) -> None:
        self._alarms = alarms
        self._store = store
        self.queues: dict[str, Queue] = {}

    def create(self, name: str, settings: QueueSettings) -> Queue:
        """Make a queue, and the one of its dead letters."""
        path = name.lower()
        ever = QueueSettings(lock=settings.lock, max_deliveries=2**31)
        dead = Queue(f"{path}/{DEAD_LETTERS}", ever, self._alarms, self._store)
        queue = Queue(path, settings, self._alarms, self._store, dead)
        self.queues[path], self.queues[dead.path] = queue, dead
        return queue

    def delete(self, name: str) -> None:
        path = name.lower()
        del self.queues[path], self.queues[f"{path}/{DEAD_LETTERS}"]

    def find(self, path: str) -> Queue | None:
        return self.queues.get(path.lower())
