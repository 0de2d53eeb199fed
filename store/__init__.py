"""The driven edge: one contract over SQL databases (DESIGN §5).

``open_store`` is the way in. Writes are *plans* (``committer.py`` and its neighbours):
generators that yield prepared statements and receive rows, so that one text of the logic
serves every engine. ``lane.py`` runs them on SQLite. Reads go through ``readers.py``.
"""

from store.engine import Store, open_store

__all__ = ["Store", "open_store"]
