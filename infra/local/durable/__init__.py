"""Drives Durable Functions on this machine, as the Durable Task extension does on Azure.

    client ──HTTP──▶ management ──▶ [instances, what arrives for them] ──▶ queue `orchestrator`
                                       ▲                  ▲                       │
                                       │ outcome          │ rows, timers          ▼
    activity function ◀── activities ──┘                  └───────────────── orchestrators ──▶ orchestrator
                              ▲                                                   │            function
                              └────────────── queue `activity` ◀──────────────────┘

The orchestrator functions run in the package that runs them on Azure, which replays a history and says what
the function wants next. Everything else is here:

    events         the rows of a history
    answers        what the package says
    decisions      pure: which rows and messages follow from an answer
    orchestrators  takes the steps of instances, one at a time for each
    activities     calls activities
    management     what the client asks for over HTTP
    driver         puts these together for the host

As on Azure: the data of an event from outside reaches an orchestrator as the JSON text that the client made
of it; events that came before `continue_as_new` and were not waited for are lost; what a terminated instance
has begun goes on unheard; with a retry policy the last failure, too, is followed by a rest.
Not here: entities and `call_http`. An orchestrator that wants one fails and says so.
"""
