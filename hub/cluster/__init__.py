"""Several processes on one PostgreSQL and one Redis, as one hub (DESIGN §9).

PostgreSQL is the only arbiter: who is alive, who owns a calendar, what was committed. Redis
only makes remote screens quick; whatever it loses is read again from the log.

Pure: ``placement``, ``lease``, ``routing``, ``continuity``, ``signing``, ``codec``. What acts:
``membership`` (leases), ``ownership`` (claims and handovers), ``router`` (asks go to the
owner), ``listener`` and ``link`` (between nodes), ``fanout`` (events), ``cluster`` (all of it).
"""
