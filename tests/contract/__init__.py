"""What every store must do, whichever the engine: one suite, looped over all of them."""
