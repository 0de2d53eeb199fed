"""What the store must do on every engine: one suite, run on each of them."""
