"""Azurite, Microsoft's emulator of Blob Storage, as `make test` has installed it."""
