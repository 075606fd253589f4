"""HTTP to the receivers, past a guard that keeps private networks out of reach."""
