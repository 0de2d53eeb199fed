"""Sets up a practice on an empty hub: what to ask, what to write, what to do next."""
