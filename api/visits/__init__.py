"""Visits by the links of messages: public routes outside of /api, with the token in the body."""
