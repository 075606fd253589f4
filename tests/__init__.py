"""Heliograph's tests: see each folder for what it is held by."""
