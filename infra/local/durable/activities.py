"""Calls activities. Whatever becomes of one, its orchestrator is told; it is called again only after a crash.

1. Look whether its outcome is still wanted.
2. Call its function, with the input as Azure's worker hands it over.
3. Keep the outcome. Only then is the queue message settled, so an activity is called at least once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from azure.functions.durable_functions import ActivityTriggerConverter
from azure.functions.meta import Datum
from azure.functions.servicebus import ServiceBusMessage

from infra.local.durable import events
from infra.local.durable.decisions import unknown
from infra.local.durable.events import Event, Kind
from infra.local.durable.surroundings import Surroundings
from infra.local.lines import facts_of
from infra.local.registrations import ActivityFunction
from shared.ports.orchestrations import ActivityCall


@dataclass(frozen=True)
class Activities:
    """See the module.

    Attributes:
        functions: By name.
    """

    functions: Mapping[str, ActivityFunction]
    around: Surroundings

    async def call(self, message: ServiceBusMessage) -> None:
        """Call the activity that a queue message names.

        Raises:
            Unavailable: The store is out of reach.
        """
        # 1.
        key = msgspec.json.decode(message.get_body(), type=tuple[str, str, int])
        call = await self.around.store.call(*key)
        if call is None:
            return
        # 2.
        event = await self._outcome(call)
        # 3.
        await self.around.store.finish(call, event=events.to_text(event))

    async def _outcome(self, call: ActivityCall) -> Event:
        function = self.functions.get(call.name)
        if function is None:
            why = unknown("an activity", call.name)
            return events.failed(Kind.TASK_FAILED, self.around.clock.now(), call.task_id, why)
        try:
            given = ActivityTriggerConverter.decode(
                Datum(call.input or "null", "json"), trigger_metadata=None
            )
            returned = await function.call(**{function.parameter: given})
            result = ActivityTriggerConverter.encode(returned, expected_type=None)
        except Exception as error:  # noqa: BLE001  whatever it is, the orchestrator decides what happens
            facts = facts_of(error)
            self.around.journal.note(
                "activity.failed", activity=call.name, instance_id=call.instance_id, **facts
            )
            reason = f"Activity function '{call.name}' failed: {facts['error']}: {facts['why']}"
            where = f"at {facts['where']}"
            return events.failed(Kind.TASK_FAILED, self.around.clock.now(), call.task_id, reason, where)
        return events.completed(Kind.TASK_COMPLETED, self.around.clock.now(), call.task_id, result.value)
