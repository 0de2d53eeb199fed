"""The only translation between JSON and the domain, for every wire.

- ``load(schema, data)`` checks what a client sent (``bodies``, ``queries``, ``schedule``)
  and returns a typed request, or raises ``ValidationFailed`` with the fields;
- ``render`` writes a body, ``envelope`` an event, ``channels_json`` a catch-up,
  ``page_json`` a list.
"""

from api.schemas.events import channel_json as channel_json
from api.schemas.events import channels_json as channels_json
from api.schemas.events import envelope as envelope
from api.schemas.pages import page_json as page_json
from api.schemas.render import render as render
from api.schemas.strict import load as load
