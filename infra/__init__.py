"""Where the function app runs."""
