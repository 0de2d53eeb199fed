"""Webhook deliveries: signed, ordered, retried, and only to checked addresses."""
