"""Supabase Realtime clients connect unmodified (criterion 7.1)."""
