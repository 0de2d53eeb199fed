"""REST: one module per resource; the rules are the services', not these modules'."""
