"""An emulator of Azure Service Bus's queues, which the official SDK talks to over a real socket."""
