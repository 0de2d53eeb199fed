"""Refusals in a form that an AI can act on: what happened, and what to do next."""

from typing import Final

from chairside.mcp.results import ToolProblem

NEXT_STEP: Final = {
    "SLOT_TAKEN": "Offer the patient one of the alternatives, or call find_slots.",
    "PATIENT_CONFLICT": "The patient has another appointment then. Call my_appointments, and offer"
    " another time or ask whether to move the other one.",
    "RESERVATION_EXPIRED": "The hold has expired. Call hold_slot for the same time again; if it is"
    " taken, offer an alternative.",
    "OUTSIDE_AVAILABILITY": "Nothing can be booked at that time. Use a start exactly as find_slots"
    " returned it.",
    "TOO_SOON": "Too close to now, or past. Offer one of the alternatives, or call find_slots.",
    "TOO_FAR": "The clinic does not book that far ahead yet. Look for an earlier time.",
    "TOO_LATE": "Too late to change this online. Tell the patient to call the practice.",
    "INVALID_TRANSITION": "It can no longer be changed. Call my_appointments to see its status.",
    "VERSION_CONFLICT": "It was changed meanwhile. Call my_appointments and ask the patient again.",
    "NOT_FOUND": "It does not exist, or is not this patient's. Take ids from the other"
    " tools only: list_dentists, find_slots, my_appointments.",
    "TOO_MANY_RESERVATIONS": "The patient holds as many times as allowed. Book one of them, or wait"
    " until a hold has expired.",
    "UNAUTHORIZED": "The token is no longer valid: the patient has to sign in again. Do not retry.",
    "FORBIDDEN": "This token may not do that. Do not retry.",
    "RATE_LIMITED": "Wait a few seconds, then try once more.",
    "VALIDATION_ERROR": "Correct the arguments that are named in the message.",
    "UNREACHABLE": "The clinic cannot be reached, and the outcome is unknown. Call this tool again"
    " with the same arguments: nothing is done twice.",
    "CONFIRMATION_INVALID": "Call the tool without confirmation, ask the patient the question in"
    " its result, and pass back the new confirmation.",
}
_DEFAULT: Final = "Tell the patient that it did not work; do not guess why."
WITH_ALTERNATIVES: Final = frozenset(
    {"SLOT_TAKEN", "OUTSIDE_AVAILABILITY", "TOO_SOON", "RESERVATION_EXPIRED", "PATIENT_CONFLICT"}
)


class ToolRefused(Exception):
    """A tool refuses; ``problem`` is its result."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.problem = ToolProblem(
            code=code, message=message, next_step=NEXT_STEP.get(code, _DEFAULT)
        )
