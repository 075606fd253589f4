"""The HTTP API, in process and on a real store."""
