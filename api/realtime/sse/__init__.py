"""Server-sent events: the live form of ``GET /api/changes``."""
