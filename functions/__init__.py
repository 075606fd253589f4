"""The triggers: bytes in, a flow called, an answer out. Nothing is decided here but who repeats."""
