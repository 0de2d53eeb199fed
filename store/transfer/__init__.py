"""Whole databases: migration, backup, export, import, verification."""
