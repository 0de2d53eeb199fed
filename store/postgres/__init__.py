"""PostgreSQL: connections, the pool of writers, roles, row-level security."""
