"""Deterministic simulation: whole clusters of the hub in one thread, from a seed.

``make simulate SEEDS=1000`` runs seeds and prints how many it runs in a second. A seed that
violates an invariant is printed with a short story: the commands and faults that are enough for
it. ``python -m tests.simulation --seed 17`` replays one seed, with everything that happens.

What is real: calendar actors, registry, alarms, relay, rooms, joins, revocations, services, the
members and their leases, ownership, router and forwarded requests, the stream between nodes and
its repair, the plans of commits, their SQL and the rules of the database, and the tracking of
positions in the client library.

What is simulated, and where:

- time, and the order of what asyncio leaves open: ``loop.py``; nothing else may be real:
  ``sandbox.py``
- the database: SQLite in memory behind a network, with the statements for nodes translated, and
  transactions that are one moment: ``database.py``
- the network between all places, and Redis: ``network.py``, ``redis.py``
- processes, which are paused, killed before, during and after a COMMIT, stopped and started again:
  ``process.py``
- the connections of clients: ``screens.py``

What happens in a run is drawn from its seed before it begins (``plan.py``): commands
(``workload.py``) and faults (``faults.py``). The invariants are in ``auditor.py``, and one run is
:func:`tests.simulation.world.simulate`. ``ablations.py`` switches off one safeguard of the hub at a
time, and names a seed that notices.

Not simulated: the wire protocols, two transactions of PostgreSQL that interleave between their
statements, and the senders of webhooks and messages.
"""
