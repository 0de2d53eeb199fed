"""Where people sign in: public routes outside of /api, which read the cookie of a session."""
