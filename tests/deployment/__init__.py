"""The deployment: what `infra/azure` makes in a subscription, as far as that can be told without one."""
