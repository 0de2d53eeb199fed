"""Settings: from the operator's words, units and sections to each part's own."""

from datetime import timedelta

from actors.calendar.calendar_actor import ActorSettings
from actors.relay.relay import RelaySettings
from api.deps import ApiSettings
from api.realtime.socketio import RealtimeSettings
from api.realtime.sse.streams import StreamSettings
from hub.config import Config


def actor_settings(config: Config) -> ActorSettings:
    return ActorSettings(
        hold_time=timedelta(seconds=config.reservations.hold_seconds),
        hold_limit=config.reservations.max_per_patient,
        mailbox_limit=config.actors.mailbox_size,
        batch_limit=config.actors.batch_size,
        deadline_s=config.actors.command_deadline_ms / 1_000,
        passivate_after_s=config.actors.passivate_after_minutes * 60,
    )


def relay_settings(config: Config) -> RelaySettings:
    relay = config.relay
    return RelaySettings(
        attempt_timeout_s=relay.attempt_timeout_ms / 1_000,
        backoff_s=tuple(relay.backoff_ms / 1_000 * 2**n for n in range(relay.retries)),
    )


def api_settings(config: Config) -> ApiSettings:
    api = config.api
    return ApiSettings(
        max_body_bytes=api.max_body_bytes,
        cors_origins=api.cors_origins,
        frame_origins=api.frame_origins,
        metrics=api.metrics,
    )


def realtime_settings(config: Config) -> RealtimeSettings:
    realtime = config.realtime
    return RealtimeSettings(
        cors_origins=config.api.cors_origins,
        ping_interval_s=realtime.ping_interval_s,
        ping_timeout_s=realtime.ping_timeout_s,
        connect_timeout_s=realtime.connect_timeout_s,
        max_message_bytes=realtime.max_message_bytes,
        max_buffer_bytes=realtime.max_buffer_bytes,
        compress_from_bytes=realtime.compress_from_bytes,
        position_interval_s=realtime.position_interval_s,
        expiring_notice_s=realtime.expiring_notice_s,
        leeway_s=config.auth.leeway_s,
    )


def stream_settings(config: Config) -> StreamSettings:
    realtime = config.realtime
    return StreamSettings(
        heartbeat_s=realtime.stream_heartbeat_s,
        write_timeout_s=realtime.stream_write_timeout_s,
        max_buffer_bytes=realtime.max_buffer_bytes,
        per_principal_max=realtime.streams_per_user,
        expiring_notice_s=realtime.expiring_notice_s,
        leeway_s=config.auth.leeway_s,
    )
