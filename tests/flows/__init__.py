"""The flows, on the SQLite adapters, with a clock that is moved by hand."""
