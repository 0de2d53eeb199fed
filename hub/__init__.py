"""The composition root, and what runs a hub: configuration, server, command line, cluster."""

__version__ = "0.1.0"
