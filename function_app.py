"""Heliograph's function app: every trigger, in the order in which a message meets them.

    HTTP       http        POST …/msg and the rest of the API
    queues     events      a backend posts an event as a queue message instead
               dispatch    deliver one message to its endpoints
               retry       attempt one message at one endpoint again
               tasks       start what is to be done with many messages
    durable    background_task   does it, a step at a time
               task_step         one of its steps
    timers     sweep       queue what was recorded and never queued
               retention   erase payloads whose time is over, forget what is old
               histories   purge what orchestrations that have ended leave behind
               gauges      note how the queues, the store and the endpoints stand

The Azure Functions host reads the registrations from `app`; so does the embedded host (`heliograph serve`).
"""

import azure.functions as func

from functions import deliver, housekeeping, http, orchestrations

app = func.AsgiFunctionApp(
    # The API authenticates by itself: its callers have Heliograph's tokens, not the platform's keys.
    app=http.asgi,
    http_auth_level=func.AuthLevel.ANONYMOUS,
    function_name="http",
)
app.register_functions(deliver.blueprint)
app.register_functions(orchestrations.blueprint)
app.register_functions(housekeeping.blueprint)
