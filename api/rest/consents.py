"""``/api/consents``: which chatbots may act for a patient."""

from aiohttp import web

from actors.domain.consent import ConsentId
from actors.domain.refusals import IdempotencyMismatch
from actors.services.requests import NewConsent
from api.rest.responses import Resource
from api.rest.route import Call, Result, Route, Routes
from api.schemas.consents import CONSENTS, GIVE_CONSENT, ConsentsQuery, consents_json

_COLLECTION = "/api/consents"


@Route(
    "GET",
    _COLLECTION,
    "The chatbots that may act for a patient, and those whose consent has ended",
    description=(
        "For the patient, a dentist of theirs, or an admin. `assumed`: chatbots without a recorded"
        " consent may act, too (`chatbot.consent`)."
    ),
    response="Consents",
    query=CONSENTS,
)
async def page(call: Call[ConsentsQuery, None]) -> Result:
    consents = call.services.consents
    found = await consents.page(call.caller, call.query.patient_id)
    return Resource(consents_json(found, assumed=consents.assumed))


@Route(
    "POST",
    _COLLECTION,
    "Let a chatbot act for a patient, or renew that",
    description="By the patient, or by a dentist or an admin for a patient who is there.",
    status=201,
    other_statuses=(200,),
    response="Consent",
    body=GIVE_CONSENT,
    refusals=(IdempotencyMismatch,),
    example={"party": "chatbot:bot-1"},
)
async def give(call: Call[None, NewConsent]) -> Result:
    return await call.services.consents.give(call.caller, call.body)


@Route(
    "DELETE",
    f"{_COLLECTION}/{{id}}",
    "End a consent",
    description=(
        "The chatbot's live connections and webhooks for the patient end at once, at every node."
        " 503: a node did not answer, so send it again; the others have done it."
    ),
    status=204,
)
async def end(call: Call[None, None]) -> Result:
    await call.services.consents.end(call.caller, ConsentId(call.path_id("id", "consent")))
    return web.Response(status=204)


ROUTES: Routes = (page, give, end)
