"""Engine.IO 4: polling and WebSocket transports below Socket.IO."""
