"""Emulators of the services that the service runs on at Azure."""
