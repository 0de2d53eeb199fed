"""Simulated load on a running hub, and an audit of the result (``chairside traffic``).

Uses the hub from outside only, over HTTP and Socket.IO, with :mod:`chairside.client`. The fault
tests use the ledger and the audit on their own.
"""
