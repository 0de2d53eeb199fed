"""What the core needs from the outside, as Protocols that state their guarantees.

``store`` implements the repositories, ``api`` the renderer and the broadcaster, ``hub`` the
clock, the ids and the wiring. Every coroutine is cancel-safe for its caller: a commit that has
begun is finished or rolled back, whether or not its caller still waits.
"""
