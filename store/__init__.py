"""The driven edge: one contract over SQLite and PostgreSQL.

``open_store`` opens it. Writes are *plans* (``store/commit/``): generators that yield prepared
statements and receive rows, so that both engines execute the same code. Reads are queries of
the repositories, on connections that cannot write (``store/sql/readers.py``).
"""

from store.engine import Store, open_store
from store.settings import DatabaseSettings

__all__ = ["DatabaseSettings", "Store", "open_store"]
