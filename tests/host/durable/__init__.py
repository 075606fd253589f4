"""Durable Functions on the embedded host: the real package, its real client, and a clock moved by hand."""
