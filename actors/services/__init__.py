"""The use cases: one module for each subject, the same for REST and Socket.IO."""
