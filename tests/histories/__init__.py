"""Histories of real processes, judged by two checkers that share nothing but the record.

``operation``: what one client did, when, and what it was told. ``linearizable``: is there an order
in which one calendar could have done it all (Wing and Gong's search with Lowe's memory, as in
Porcupine)? ``replay``: does the event log, which is the order that the hub claims, explain every
answer? ``recording`` runs the clients, and ``planted`` spoils correct histories to see that both
notice.
"""
