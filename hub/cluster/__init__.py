"""Several hub processes on one PostgreSQL and one Redis, as one hub.

PostgreSQL decides which nodes live, which node owns a calendar, and what was committed. Redis
only makes events fast; what it loses is read from the database.

- ``members``: leases, and the nodes that form the cluster
- ``calendars``: which node owns a calendar, and how a request gets there
- ``internal``: signed requests between the nodes
- ``stream``: events, presence and figures over Redis
- ``local_node``: the part of this node that its calendars and its relay need
- ``cluster`` and ``figures``: all parts together, built in ``hub/bootstrap_cluster.py``
"""
