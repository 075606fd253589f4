"""The HTTP API: one module per resource, and the only place that knows status codes and wire shapes.

A request meets, in this order: its query string (400, 422), its token (401, 403), its idempotency key,
its application (404), its body (413, 422), and then the function that carries the operation out.
`operations` holds that order; `table` lists every operation.
"""
