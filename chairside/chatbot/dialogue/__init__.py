"""The conversation as a state machine: what happened in, replies and effects out. Pure."""
