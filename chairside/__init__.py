"""What other programs import. It knows a hub only by its public interfaces."""
