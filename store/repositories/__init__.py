"""The repositories: implementations of the ports of the core."""
