"""The conversation of ``chairside chat`` in a terminal."""
