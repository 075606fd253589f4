"""The embedded host: drives the triggers of `function_app.py` on one machine, as Azure's host does there.

cli ──▶ host ──▶ registrations    which functions there are, read from the function app itself
          ├────▶ server           HTTP, straight into the ASGI app
          ├────▶ pump             one for each queue function
          └────▶ timers           one for each timer function
"""
