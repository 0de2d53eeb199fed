"""Imports: how a file is to be read, and the report."""

import re
from collections.abc import Mapping
from typing import Final

from marshmallow import ValidationError

from actors.domain.values import value
from actors.services.patient_import import ImportReport, RowOutcome
from api.schemas import fields
from api.schemas.strict import Loaded, RequestSchema, Strict
from api.tables.decoding import Encoding
from api.tables.headings import PATIENT_HEADINGS
from api.tables.reading import Delimiter, Table

_MAPPED: Final = re.compile(rf"(?:{'|'.join(PATIENT_HEADINGS)})=.+", re.DOTALL)


@value
class ImportOptions:
    dry_run: bool
    shared_contacts: bool
    headings: Mapping[str, str]
    """The heading of a field, where it is not to be recognised."""
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None


class ImportOptionsSchema(RequestSchema[ImportOptions]):
    dry_run = fields.Flag(
        in_query=True,
        load_default=False,
        metadata={"description": "Only report what would be entered"},
    )
    shared_contacts = fields.Flag(
        in_query=True,
        load_default=False,
        metadata={
            "description": "Contact data identify a patient only together with the name, as in"
            " families that share a telephone"
        },
    )
    map = fields.Items(
        fields.Text(
            max_chars=300,
            pattern=_MAPPED,
            expected=f"must be FIELD=HEADING; the fields are {', '.join(PATIENT_HEADINGS)}",
        ),
        what="columns",
        most=len(PATIENT_HEADINGS),
        metadata={"description": "Repeatable: `FIELD=HEADING`, such as `phone=Tel. privat`"},
    )
    encoding = fields.OneOf(Encoding)
    delimiter = fields.OneOf(Delimiter)

    def make(self, data: Loaded) -> ImportOptions:
        sent = dict(data)
        mapped = dict(each.split("=", 1) for each in sent.pop("map", ()))
        if len(mapped) < len(data.get("map", ())):
            raise ValidationError("a field is named twice", "map")
        return ImportOptions(headings=mapped, **sent)


class ReportLineSchema(Strict):
    """Why a row was not entered."""

    line = fields.Raw(metadata={"type": "integer", "description": "Of the file, from 1"})
    outcome = fields.OneOf((RowOutcome.KNOWN, RowOutcome.REFUSED))
    field = fields.Text(max_chars=100)
    message = fields.Text(max_chars=1_000)


class ImportReportSchema(Strict):
    dry_run = fields.Raw(metadata={"type": "boolean"})
    rows = fields.Raw(metadata={"type": "integer"})
    created = fields.Raw(metadata={"type": "integer", "description": "Or would be, of a dry run"})
    known = fields.Raw(metadata={"type": "integer"})
    refused = fields.Raw(metadata={"type": "integer"})
    lines = fields.List(fields.Nested(ReportLineSchema))
    lines_left_out = fields.Raw(
        metadata={"type": "integer", "description": "Further lines; the first 1,000 are listed"}
    )
    encoding = fields.OneOf(Encoding)
    delimiter = fields.OneOf(Delimiter)
    columns = fields.Raw(
        metadata={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "The heading of each field",
        }
    )
    ignored_columns = fields.List(fields.Text(max_chars=1_000))


IMPORT: Final = ImportOptionsSchema()
_LINE: Final = ReportLineSchema()


def report_data(report: ImportReport, table: Table, options: ImportOptions) -> Mapping[str, object]:
    """The report as JSON, with how the file was read."""
    return {
        "dry_run": options.dry_run,
        "rows": report.rows,
        "created": report.created,
        "known": report.known,
        "refused": report.refused,
        "lines": _LINE.dump(report.lines, many=True),
        "lines_left_out": report.lines_left_out,
        "encoding": str(table.encoding),
        "delimiter": str(table.delimiter),
        "columns": table.columns,
        "ignored_columns": table.ignored,
    }
