"""The ports' outsides. Adapters do not know each other; only `shared.wiring` names them."""
