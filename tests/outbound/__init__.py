"""The way out, where a table says more than a receiver."""
