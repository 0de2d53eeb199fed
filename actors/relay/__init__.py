"""Publishes committed events to the connections, in the order of each channel."""
