"""The command line ``chairside``: one module per command; it begins in ``__main__``."""
