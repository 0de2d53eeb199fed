"""Delivering events to servers: what is sent, where to, when, and when no more."""
