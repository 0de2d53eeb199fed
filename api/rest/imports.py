"""``/api/imports`` and ``/api/exports``: the patients of a practice as a file.

A file is read as a whole before a row is entered. Its rows are then entered a few at a time; the
client may be shown the progress, as lines of JSON.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import orjson
import structlog
from aiohttp import web

from actors.domain.refusals import Forbidden, Refusal
from actors.ports.commits import OutcomeUnknown, StoreUnavailable
from actors.services.patient_import import ImportReport
from api.client_faults import check_length, client_left
from api.deps import DEPS
from api.errors import error_body, to_public
from api.http.connection import HttpConnection
from api.middleware import CLAIMS, IMPORT_PATH, REQUEST_ID, add_headers
from api.rest.headers import media_type, prefers
from api.rest.responses import JSON, Resource
from api.rest.route import Call, Result, Route, Routes
from api.schemas.imports import IMPORT, ImportOptions, report_data
from api.schemas.patient_rows import check_columns, patient_rows, patients_csv
from api.tables.headings import patient_columns
from api.tables.reading import Table, read_table

log = structlog.get_logger(__name__)

_Part = TypeVar("_Part")
CSV: Final = "text/csv"
LINES: Final = "application/x-ndjson"
_UPLOAD_S: Final = 600.0
"""20 MB at 270 kbit/s."""
_SEND_S: Final = 60.0
"""How long a client may take to read a part of an answer."""
_SHOWN_EVERY: Final = 500
"""Rows between two lines of progress."""


@Route(
    "POST",
    IMPORT_PATH,
    "Enter the patients of a CSV file at one's practice, by its staff",
    description=(
        "Delimiter, encoding and columns are recognised, or named. Each row is entered as a whole"
        " or not at all; a patient whom the practice has already is not entered again. With"
        " `Accept: application/x-ndjson` there are lines of progress,"
        ' `{"progress": {"rows", "total"}}`, and at the end one with `report` or `error`.'
    ),
    response="ImportReport",
    query=IMPORT,
    uploads=CSV,
    lines=True,
)
async def enter(call: Call[ImportOptions, None]) -> Result:
    imports = call.services.imports
    with imports.place(call.caller):
        region = await imports.region(call.caller)
        data = await _received(call)
        table, total = await asyncio.to_thread(_read, data, call.query)
        reports = imports.run(
            call.caller,
            patient_rows(table, region, call.request.app[DEPS].clock.now()),
            region=region,
            shared_contacts=call.query.shared_contacts,
            dry_run=call.query.dry_run,
        )
        checked = _checked(call, reports)
        if prefers(call.request.headers.get("Accept"), LINES, JSON):
            return await _lines(call, checked, table, total)
        last = ImportReport()
        async for report in checked:
            last = report
        return Resource(orjson.dumps(report_data(last, table, call.query)))


@Route(
    "GET",
    "/api/exports",
    "The active patients of one's practice as a CSV file, by its staff; audited",
    description=(
        "UTF-8 with a byte-order mark, divided as spreadsheets of the practice's region expect it."
        " `POST /api/imports` reads it. A cell that a spreadsheet would take for a formula begins"
        " with an apostrophe."
    ),
    downloads=CSV,
)
async def written(call: Call[None, None]) -> Result:
    imports, request = call.services.imports, call.request
    region = await imports.region(call.caller)
    response = web.StreamResponse(
        headers={
            "Content-Type": f"{CSV}; charset=utf-8; header=present",
            "Content-Disposition": 'attachment; filename="patients.csv"',
            "Cache-Control": "no-store",
        }
    )
    with imports.export_place(call.caller), _never_half(request, response):
        async for page in _checked(call, imports.export(call.caller)):
            begins = not response.prepared
            if begins:
                await _begin(request, response)
            if request.method == "HEAD":
                break
            async with asyncio.timeout(_SEND_S):
                await response.write(patients_csv(page, region, heading=begins))
        await response.write_eof()
    return response


async def _received(call: Call[ImportOptions, None]) -> bytes:
    """The file that was sent. Raises what requests are refused with."""
    request, settings = call.request, call.request.app[DEPS].settings
    if media_type(request.headers) != CSV:
        raise web.HTTPUnsupportedMediaType
    check_length(request, settings.max_import_bytes)
    if isinstance(request.protocol, HttpConnection):
        request.protocol.body_may_take(_UPLOAD_S)
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > settings.max_import_bytes:
            raise web.HTTPRequestEntityTooLarge(settings.max_import_bytes, len(data))
    return bytes(data)


def _read(data: bytes, options: ImportOptions) -> tuple[Table, int]:
    """The table and how many rows it has: what cannot be read is refused before a row is entered.

    Takes seconds for a large file. Raises ValidationFailed.
    """
    table = read_table(
        data,
        lambda headings: patient_columns(headings, options.headings),
        encoding=options.encoding,
        delimiter=options.delimiter,
    )
    check_columns(table)
    return table, sum(1 for _ in table.rows())


async def _checked(call: Call[Any, None], parts: AsyncIterator[_Part]) -> AsyncIterator[_Part]:
    """The parts, while the caller still has the practice's rights: they can take minutes."""
    claims, identity = call.request[CLAIMS], call.services.identity
    async for part in parts:
        yield part
        if (await identity.principal(claims)).practice != call.caller.principal.practice:
            raise Forbidden


async def _lines(
    call: Call[ImportOptions, None], reports: AsyncIterator[ImportReport], table: Table, total: int
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": LINES, "Cache-Control": "no-store"})
    report, shown = ImportReport(), 0
    last: Mapping[str, object]
    with _never_half(call.request, response):
        await _begin(call.request, response)
        try:
            async for report in reports:
                if report.rows >= shown + _SHOWN_EVERY:
                    shown = report.rows
                    await _write(response, {"progress": {"rows": shown, "total": total}})
            last = {"report": report_data(report, table, call.query)}
        except (Refusal, StoreUnavailable, OutcomeUnknown) as error:
            last = error_body(
                to_public(error), call.request[REQUEST_ID], call.request.app[DEPS].clock.now()
            )
        await _write(response, last)
        await response.write_eof()
    return response


@contextmanager
def _never_half(request: web.Request, response: web.StreamResponse) -> Iterator[None]:
    """If an answer that has begun fails, end its connection: no second answer, no half file."""
    try:
        yield
    except Exception as error:
        if not response.prepared or client_left(request, error):
            raise
        if request.transport is not None:
            request.transport.abort()
        if not isinstance(error, (Refusal, TimeoutError, ConnectionError)):
            log.exception("answer_failed", path=request.path, request_id=request[REQUEST_ID])


async def _begin(request: web.Request, response: web.StreamResponse) -> None:
    """A prepared response gets no more headers, so it gets them now."""
    add_headers(request, response, request[REQUEST_ID], request.app[DEPS].settings.cors_origins)
    await response.prepare(request)


async def _write(response: web.StreamResponse, line: Mapping[str, object]) -> None:
    async with asyncio.timeout(_SEND_S):
        await response.write(orjson.dumps(line) + b"\n")


ROUTES: Routes = (enter, written)
