"""The same round of calls by every SDK and version that people run, against the running service."""
