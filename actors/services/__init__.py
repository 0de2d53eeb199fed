"""What the edges call: one module per matter, the same for REST and Socket.IO."""
