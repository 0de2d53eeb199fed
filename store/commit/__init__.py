"""What a commit writes, as plans that an engine executes."""
