"""What every protocol shares: subscriptions, frames, backpressure, rights."""
