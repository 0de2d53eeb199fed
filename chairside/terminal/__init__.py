"""``chairside chat``: the chatbot in a terminal, or for scripts."""
