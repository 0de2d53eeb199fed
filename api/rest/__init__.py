"""REST: one module for each resource. The rules are in the services."""
