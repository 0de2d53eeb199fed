"""SQLite: the file, the one writer, the readers, the access rules."""
