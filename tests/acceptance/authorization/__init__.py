"""The authorization matrix of docs/authorization.md: its table, its callers, its requests."""
