"""The roof: configuration, the one place that wires everything, command line, relay, health."""

__version__ = "0.1.0"
