"""Four servers that hand the same events to the same crowd of sockets."""
