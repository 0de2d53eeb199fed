"""Supabase Realtime clients connect unmodified (criterion 7.1; docs/supabase.md).

``frames``, ``messages``, ``joining``, ``bindings``, ``presence``, ``protocol``, ``rows`` and
``forms`` are pure; ``topic``, ``halls``, ``exchange`` and ``subscriptions`` join them to the
rooms, and to other nodes; the rest is I/O.
"""

from api.realtime.supabase.deps import SupabaseDeps as SupabaseDeps
from api.realtime.supabase.deps import SupabaseSettings as SupabaseSettings
from api.realtime.supabase.gateway import Supabase as Supabase
