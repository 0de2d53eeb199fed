"""Signed requests between the nodes."""
