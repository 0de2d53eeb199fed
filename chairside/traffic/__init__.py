"""Simulated life for any running hub, and an audit of what became of it.

Talks to the hub from outside only, over HTTP and Socket.IO, with the client of
:mod:`chairside.client`. ``chairside traffic`` shows it; the fault tests use the ledger and the
audit on their own.
"""
