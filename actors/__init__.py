"""The core: the clinic's rules, and the one actor per dentist that enforces them.

Nothing outside is imported here. What the core needs of the world it states as
Protocols in :mod:`actors.ports`; ``store`` and ``api`` implement them, ``hub`` wires them.
"""
