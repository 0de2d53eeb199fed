"""Live connections: shared rooms, and one package for each protocol."""
