"""Which node owns a calendar, and how a request gets there."""
