"""A page of free slots as JSON, the same for REST and Socket.IO."""

from dataclasses import replace
from typing import Final

from actors.domain.ids import DentistId, ProfileId
from actors.services.availability import Availability
from actors.services.caller import Caller
from api.cursors import after_start, next_cursor
from api.schemas.pages import slots_json
from api.schemas.queries import SlotPageQuery

_LIST: Final = "/api/slots"
"""The list that cursors belong to: a cursor of one wire continues on the other."""


async def slot_page_json(availability: Availability, caller: Caller, query: SlotPageQuery) -> bytes:
    """The page that ``query`` selects; raises ValidationFailed for a foreign cursor."""
    search = query
    if last := after_start(_LIST, query):
        search = replace(query, after=(last[0], DentistId(ProfileId(last[1]))))
    page = await availability.find(caller, search)
    cursor = next_cursor(_LIST, query, page.next_after)
    return slots_json(page, limit=query.limit, next_cursor=cursor)
