"""``POST /api/chat``: the hub's own chatbot, the one place of the API that uses it."""
