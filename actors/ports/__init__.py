"""Ports: what the core needs from the rest of the hub, as Protocols.

``store`` implements the repositories, ``api`` the renderer and the broadcaster, ``hub`` the
clock, the ids and the webhook dispatcher. Each port states its guarantees: order, duplicates,
and what happens on failure. Callers may be cancelled at any await: a commit that has begun is
finished or rolled back all the same.
"""
