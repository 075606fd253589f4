"""Where the journal goes."""
