"""The schema: numbered migrations, forward only, one history for every engine."""
