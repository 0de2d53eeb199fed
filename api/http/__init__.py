"""HTTP connections: who may connect, how long a request may take, and what is not HTTP."""
