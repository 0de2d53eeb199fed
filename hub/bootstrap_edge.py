"""Builds what clients see of a hub: REST, live connections of every protocol, and figures."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

from aiohttp import web

from actors.calendar.calendar_actor import CalendarActor
from actors.domain.principal import Role
from actors.services.mail_codes import MailCodes
from actors.services.passkeys import Passkeys
from actors.services.provider_sign_ins import ProviderRules, ProviderSignIns
from actors.services.registrations import Registrations
from actors.services.services import Services
from api.app import create_app
from api.deps import AppDeps
from api.ratelimit import RateLimiter
from api.realtime.rooms.connection_limit import ConnectionLimit
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.socketio import Realtime
from api.realtime.sse.streams import EventStreams
from api.realtime.supabase import Supabase
from api.rest.commands import COMMANDS
from api.sign_in.authenticators import WebAuthn
from api.sign_in.deps import (
    CODES_PER_HOUR,
    REGISTRATION_MAILS_PER_HOUR,
    REGISTRATIONS_PER_HOUR,
    SIGN_IN_BURST,
    SIGN_IN_RATE_PER_S,
    OfferedProvider,
    SignInDeps,
)
from api.sign_in.openid import OpenIdProvider
from api.sign_in.openid_routes import CALLBACK
from api.visits.deps import (
    LINK_BURST,
    LINK_RATE_PER_S,
    VISIT_BURST,
    VISIT_CHANGES_PER_HOUR,
    VISIT_RATE_PER_S,
    VisitDeps,
)
from hub.bootstrap_core import Base, Core
from hub.chat import chat_deps
from hub.messages.mailbox_page import mailbox_routes
from hub.sign_in_letter import SignInLetter
from hub.telemetry.figures import CALENDARS_SHOWN, About, Figures, Load, busiest_first
from hub.telemetry.health import Health
from hub.telemetry.metrics import CalendarFigures, Gauges
from hub.telemetry.recent_errors import RecentErrors


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """``app`` is to be served; the connections of the other parts come through it."""

    app: web.Application
    health: Health
    realtime: Realtime
    supabase: Supabase
    streams: EventStreams
    figures: Figures


@asynccontextmanager
async def open_edge(core: Core, services: Services, errors: RecentErrors) -> AsyncIterator[Edge]:
    """Over the same services and limits. The shutdown of ``app`` ends every connection."""
    base, config = core.base, core.base.config
    deps = _realtime_deps(core, services)
    realtime = Realtime(deps, COMMANDS)
    supabase = Supabase(deps, core.presence, _limiter(base))
    streams = EventStreams(deps, on_end=base.metrics.stream_ended)
    gauges = _gauges(core, realtime, supabase, streams)
    base.metrics.watch(gauges)
    health = Health(
        clock=base.clock,
        ping=base.store.ping,
        ping_timeout_s=config.database.ping_timeout_s,
        connections=gauges.connections,
        keys=lambda: core.verifier.keys_status,
    )
    about = About(node=_node_name(), engine=config.database.engine)
    async with chat_deps(
        config.chat, auth_secret=config.auth.secret, monotonic=base.clock.monotonic
    ) as chat:
        sign_in = _sign_in_deps(core, services)
        visits = _visit_deps(base, services)
        app = create_app(_app_deps(core, deps, streams, health), chat, sign_in, visits)
        if config.server.is_demo and config.mail.folder:
            app.router.add_routes(mailbox_routes(Path(config.mail.folder)))
        realtime.attach(app)
        supabase.attach(app)
        yield Edge(
            app=app,
            health=health,
            realtime=realtime,
            supabase=supabase,
            streams=streams,
            figures=Figures(
                base.metrics, gauges, base.clock, health=health, about=about, errors=errors
            ),
        )


def _sign_in_deps(core: Core, services: Services) -> SignInDeps | None:
    if core.issuer is None:
        return None
    base, public_url = core.base, core.base.config.server.public_url
    webauthn = WebAuthn.at(public_url)
    return SignInDeps(
        public_url=public_url,
        accepts_links=base.config.server.is_demo,
        issuer=core.issuer,
        sign_ins=services.sign_ins,
        webauthn=webauthn,
        mail_codes=_mail_codes(core, services),
        provider=_provider(core, services),
        passkeys=Passkeys(
            base.store.passkeys,
            base.store.accounts,
            services.invitations,
            services.sign_ins,
            webauthn,
            base.clock,
            base.new_id,
        ),
        limiter=RateLimiter(
            rate_per_s=SIGN_IN_RATE_PER_S,
            burst=SIGN_IN_BURST,
            monotonic=base.clock.monotonic,
        ),
        newcomers=RateLimiter(
            rate_per_s=REGISTRATIONS_PER_HOUR / 3_600,
            burst=REGISTRATIONS_PER_HOUR,
            monotonic=base.clock.monotonic,
        ),
    )


def _visit_deps(base: Base, services: Services) -> VisitDeps | None:
    """Where the links of messages lead, if messages have any."""
    messages, public_url = base.config.messages, base.config.server.public_url
    if not (messages.enabled and messages.visit_links and public_url):
        return None

    def limiter(rate_per_s: float, burst: int) -> RateLimiter:
        return RateLimiter(rate_per_s=rate_per_s, burst=burst, monotonic=base.clock.monotonic)

    return VisitDeps(
        public_url=public_url,
        visits=services.linked_visits,
        includes_type=messages.include_type,
        addresses=limiter(VISIT_RATE_PER_S, VISIT_BURST),
        reads=limiter(LINK_RATE_PER_S, LINK_BURST),
        changes=limiter(VISIT_CHANGES_PER_HOUR / 3_600, VISIT_CHANGES_PER_HOUR),
    )


def _mail_codes(core: Core, services: Services) -> MailCodes | None:
    base, config = core.base, core.base.config
    if not config.sign_in.email_codes:
        return None
    return MailCodes(
        base.store.mail_codes,
        services.sign_ins,
        SignInLetter(config.server.public_url, config.messages.language),
        RateLimiter(
            rate_per_s=CODES_PER_HOUR / 3_600,
            burst=CODES_PER_HOUR,
            monotonic=base.clock.monotonic,
        ),
        base.clock,
        base.new_id,
        _registrations(core),
    )


def _registrations(core: Core) -> Registrations | None:
    base = core.base
    if not base.config.sign_in.registration:
        return None
    allowance = RateLimiter(
        rate_per_s=REGISTRATION_MAILS_PER_HOUR / 3_600,
        burst=REGISTRATION_MAILS_PER_HOUR,
        monotonic=base.clock.monotonic,
    )
    return Registrations(
        base.store.registrations,
        core.practices,
        allowance,
        base.clock,
        base.new_id,
        region=base.config.practice.region,
    )


def _provider(core: Core, services: Services) -> OfferedProvider | None:
    base, openid = core.base, core.base.config.openid
    if not openid.issuer:
        return None
    rules = ProviderRules(
        trust_email=openid.trust_email,
        create_roles=frozenset(map(Role, openid.create_roles)),
        checks_role=bool(openid.role_claim),
        checks_practice=bool(openid.practice_claim),
        is_token_issuer=openid.issuer == base.config.auth.issuer,
    )
    address = f"{base.config.server.public_url}{CALLBACK}"
    sign_ins = ProviderSignIns(
        base.store.providers,
        OpenIdProvider(openid, base.clock, redirect_uri=address),
        base.store.accounts,
        services.invitations,
        services.sign_ins,
        core.directory,
        core.practices,
        core.records,
        rules,
    )
    return OfferedProvider(name=openid.shown_name, sign_ins=sign_ins)


def _realtime_deps(core: Core, services: Services) -> RealtimeDeps:
    base = core.base
    return RealtimeDeps(
        services=services,
        context=core.context,
        verifier=core.verifier,
        clock=base.clock,
        new_id=base.new_id,
        positions=core.relay.positions,
        limiter=_limiter(base, parties=_party_limiter(base)),
        settings=base.config.realtime,
        sockets=ConnectionLimit(base.config.realtime.sockets_per_user),
        cors_origins=base.config.api.cors_origins,
        on_command=base.metrics.command,
        on_slow=base.metrics.slow_reader,
    )


def _app_deps(core: Core, realtime: RealtimeDeps, streams: EventStreams, health: Health) -> AppDeps:
    base = core.base
    return AppDeps(
        services=realtime.services,
        verifier=core.verifier,
        limiter=realtime.limiter,
        streams=streams,
        health=health,
        clock=base.clock,
        new_id=base.new_id,
        public_url=base.config.server.public_url,
        settings=base.config.api,
        metrics=base.metrics.render,
        on_request=base.metrics.request,
    )


def _limiter(base: Base, *, parties: RateLimiter | None = None) -> RateLimiter:
    api = base.config.api
    return RateLimiter(
        rate_per_s=api.rate_per_s,
        burst=api.rate_burst,
        monotonic=base.clock.monotonic,
        parties=parties,
    )


def _party_limiter(base: Base) -> RateLimiter:
    """For the requests of a chatbot, for all its patients together."""
    chatbot = base.config.chatbot
    return RateLimiter(
        rate_per_s=chatbot.rate_per_s, burst=chatbot.rate_burst, monotonic=base.clock.monotonic
    )


def _gauges(core: Core, realtime: Realtime, supabase: Supabase, streams: EventStreams) -> Gauges:
    registry = core.registry
    return Gauges(
        live_calendars=lambda: len(registry.actors()),
        deepest_mailbox=lambda: max((len(a.mailbox) for a in registry.actors()), default=0),
        holds=lambda: sum(actor.holds for actor in registry.actors()),
        connections=lambda: {
            **realtime.connections(),
            **supabase.connections(),
            "stream": len(streams),
        },
        webhooks=lambda: len(core.dispatcher),
        webhooks_failing=lambda: core.dispatcher.failing,
        busiest=lambda: [
            _calendar_figures(actor)
            for actor in nsmallest(CALENDARS_SHOWN, registry.actors(), key=_load)
        ],
        cache_lookups=lambda: {
            "people": core.directory.people.lookups,
            "subjects": core.directory.identities.lookups,
            "appointment_types": core.catalog.cache.lookups,
        },
    )


def _load(actor: CalendarActor) -> Load:
    waiting = len(actor.mailbox)
    return busiest_first(waiting, actor.holds, actor.last_batch_s, actor.dentist_id)


def _calendar_figures(actor: CalendarActor) -> CalendarFigures:
    return CalendarFigures(
        dentist_id=actor.dentist_id,
        waiting=len(actor.mailbox),
        turn_ms=round(actor.last_batch_s * 1_000, 2),
        holds=actor.holds,
    )


def _node_name() -> str:
    """Names this process among those of the clinic."""
    return f"{socket.gethostname()}-{os.getpid()}"
