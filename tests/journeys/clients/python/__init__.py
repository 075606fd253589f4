"""Programs that are run with one version of the SDK on their path."""
