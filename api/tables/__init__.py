"""Files of comma-separated values: read from any program, written for any program."""
