"""The domain, by tables and properties."""
