"""Numbered migrations: forward only, one history for every engine."""
