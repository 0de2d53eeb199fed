"""Metrics, logs, health, and the figures of the status page."""
