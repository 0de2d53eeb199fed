"""Free ports for servers that restart on the same port."""

import socket


def free_port() -> int:
    """A loopback port on which no process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
