"""Whether a practice has a patient already: by contact data, or by name and date of birth."""

from collections.abc import Iterable, Iterator
from typing import Final

from actors.domain.contact import email_key, phone_keys
from actors.domain.likeness import name_key
from actors.domain.profile import Profile
from actors.domain.refusals import FieldError
from actors.services.requests import NewProfile

Person = Profile | NewProfile
_KNOWN: Final = "the practice has a patient with this {}"


class KnownPatients:
    """The patients of a practice, in a form that takes 70 bytes for each of their identifiers.

    It keeps hashes of 64 bits: that two of a million are the same by chance happens once in ten
    million files.
    """

    def __init__(self, region: str, *, shared_contacts: bool = False) -> None:
        """``shared_contacts``: contact data identify only together with the name."""
        self._region, self._shared = region, shared_contacts
        self._seen: set[int] = set()

    def add(self, people: Iterable[Person]) -> None:
        for person in people:
            for _, key in (*self._identifiers(person), *self._own_name(person)):
                self._seen.add(key)

    def enter(self, new: NewProfile) -> FieldError | set[int]:
        """By which field the patient is known; else they are added, as the keys to forget them.

        A row that has only a name is known by the name: so a repeated import enters it once.
        """
        identifiers, own_name = list(self._identifiers(new)), list(self._own_name(new))
        for name, key in identifiers or own_name:
            if key in self._seen:
                return FieldError(field=name, message=_KNOWN.format(name.replace("_", " ")))
        added = {key for _, key in (*identifiers, *own_name)} - self._seen
        self._seen |= added
        return added

    def forget(self, added: set[int]) -> None:
        """Take back a patient who could not be entered."""
        self._seen -= added

    def _identifiers(self, person: Person) -> Iterator[tuple[str, int]]:
        """The name of a field and a hash of what identifies the person by it."""
        name = _compared(person.name)
        if person.date_of_birth:
            yield "date_of_birth", hash(("born", name, person.date_of_birth))
        shared = (name,) if self._shared else ()
        for key in phone_keys(person.phone, self._region) if person.phone else ():
            yield "phone", hash(("phone", key, *shared))
        if person.email and (email := email_key(person.email)):
            yield "email", hash(("email", email, *shared))

    def _own_name(self, person: Person) -> Iterator[tuple[str, int]]:
        yield "name", hash(("name", _compared(person.name)))


def _compared(name: str) -> str:
    return name_key(name) or name  # of signs only
