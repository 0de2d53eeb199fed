"""``/api/invitations``: links with which people begin to sign in at the hub."""

from typing import Final

from aiohttp import web

from actors.domain.sign_in import InvitationId
from actors.services.invitations import invitation_url
from actors.services.requests import NewInvitation
from api.cursors import after_start
from api.deps import DEPS
from api.rest.responses import json_response, list_page
from api.rest.route import Call, Result, Route, Routes
from api.schemas.invitations import CREATE_INVITATION, invitation_items, new_invitation_json
from api.schemas.queries import PAGE, PageQuery

_COLLECTION: Final = "/api/invitations"


@Route(
    "GET",
    _COLLECTION,
    "The invitations that are open",
    description="Those of its practice for the front desk, all for an admin; the newest first.",
    response="InvitationPage",
    query=PAGE,
)
async def page(call: Call[PageQuery, None]) -> Result:
    query, after = call.query, None
    if last := after_start(_COLLECTION, query):
        after = last[0], InvitationId(last[1])
    found = await call.services.invitations.page(call.caller, limit=query.limit, after=after)
    return list_page(
        _COLLECTION,
        query,
        invitation_items(found.invitations),
        last=found.next_after,
        total=found.total,
    )


@Route(
    "POST",
    _COLLECTION,
    "Invite a person to sign in",
    description=(
        "The front desk invites patients of its practice by `profile_id`; an admin invites dentists"
        " and staff, and other admins by `name`. The link works once, for 72 hours, and replaces an"
        " earlier one of the person. It makes a passkey, which replaces those that the person has."
        " With `send`, a patient gets the link by mail, too; 10 mails a day to one patient."
        " An `Idempotency-Key` has no effect, because no link is stored."
    ),
    status=201,
    response="NewInvitation",
    body=CREATE_INVITATION,
    example={"profile_id": "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"},
)
async def create(call: Call[None, NewInvitation]) -> Result:
    invitation, token = await call.services.invitations.create(call.caller, call.body)
    url = invitation_url(call.request.app[DEPS].public_url, token)
    return json_response(new_invitation_json(invitation, url), status=201)


@Route("DELETE", f"{_COLLECTION}/{{id}}", "Revoke an invitation", status=204)
async def revoke(call: Call[None, None]) -> Result:
    invitation = InvitationId(call.path_id("id", "invitation"))
    await call.services.invitations.revoke(call.caller, invitation)
    return web.Response(status=204)


ROUTES: Routes = (page, create, revoke)
