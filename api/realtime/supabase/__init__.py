"""Supabase Realtime clients connect unmodified (criterion 7.1; docs/supabase.md).

Pure: ``frames``, ``joining``, ``bindings``, ``rows``, ``presence`` and ``protocol``. The other
modules connect these to the rooms, to the other nodes and to the sockets.
"""

from api.realtime.supabase.gateway import Supabase as Supabase
