"""Chairside for other programs: clients, a chatbot and tools that use any running hub.

``chairside.client`` is the library for Python programs::

    from chairside.client import HubClient, LiveClient, SlotCache

``chatbot``, ``mcp`` (tools for an AI), ``terminal`` (``chairside chat``) and ``traffic``
(simulated load) are built on it. Nothing here imports the server's code: everything goes through
the hub's public interfaces.
"""
