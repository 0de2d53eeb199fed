"""The core: the rules of booking, the calendar actors, the relay, and the use cases.

It imports nothing of ``api``, ``store`` or ``hub``. What it needs of them stands in
:mod:`actors.ports` as Protocols, which they implement.
"""
