"""Webhook deliveries: signed messages to receivers, with retries, order and address checks."""
