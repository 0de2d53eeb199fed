"""The sentences of the pages that the hub renders itself, in each language."""

from collections.abc import Mapping
from typing import Final

Words = Mapping[str, tuple[str, str]]
"""By language: a title, and what to do."""

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "front": "Appointments",
        "book": "Book an appointment",
        "sign_in": "Sign in",
        "staff": "For the practice",
        "desk": "Front desk",
        "dentist": "Dentists",
        "status": "Status",
        "home": "To the start page",
    },
    "de": {
        "front": "Termine",
        "book": "Termin buchen",
        "sign_in": "Anmelden",
        "staff": "Für die Praxis",
        "desk": "Empfang",
        "dentist": "Zahnärztinnen und Zahnärzte",
        "status": "Status",
        "home": "Zur Startseite",
    },
}

ERRORS: Final[Mapping[int, Words]] = {
    401: {
        "en": ("Please sign in", "This page is for people who have signed in."),
        "de": ("Bitte melden Sie sich an", "Diese Seite ist für angemeldete Personen."),
    },
    403: {
        "en": ("This page is not for you", "You have signed in, but may not see this page."),
        "de": ("Diese Seite ist nicht für Sie", "Sie dürfen diese Seite nicht sehen."),
    },
    404: {
        "en": ("This page does not exist", "The address may be misspelt, or out of date."),
        "de": ("Diese Seite gibt es nicht", "Die Adresse ist falsch geschrieben oder veraltet."),
    },
    429: {
        "en": ("Please wait a moment", "That was very fast. Try again in a moment."),
        "de": ("Bitte einen Moment warten", "Das ging sehr schnell. Versuchen Sie es gleich noch."),
    },
    503: {
        "en": ("Not possible just now", "Please try again in a moment."),
        "de": ("Gerade nicht möglich", "Bitte versuchen Sie es gleich noch einmal."),
    },
}

SERVER_ERROR: Final[Words] = {
    "en": ("Something went wrong", "Please try again. If it happens again, call the practice."),
    "de": (
        "Etwas ist schiefgegangen",
        "Bitte versuchen Sie es noch einmal. Sonst rufen Sie bitte in der Praxis an.",
    ),
}
OTHER_ERROR: Final[Words] = {
    "en": ("This did not work", "Please go back and try again."),
    "de": ("Das hat nicht geklappt", "Bitte gehen Sie zurück und versuchen Sie es noch einmal."),
}
