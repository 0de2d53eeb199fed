"""The only JSON ↔ domain translation, for every wire.

- ``load(schema, data)`` checks what a client sent (``commands``, ``queries``,
  ``schedule``) and raises ``ValidationFailed`` with the fields;
- ``render`` shows a body, ``envelope`` an event, ``channels_json`` a catch-up,
  ``page_json`` a list.
"""

from api.schemas.events import channel_json as channel_json
from api.schemas.events import channels_json as channels_json
from api.schemas.events import envelope as envelope
from api.schemas.pages import page_json as page_json
from api.schemas.render import render as render
from api.schemas.strict import load as load
