"""What a search of patients finds: each text, and the words that it must find."""

import time
from datetime import date

import pytest

from actors.domain.contact import email_key, phone_key
from actors.domain.patient_query import TERMS_MAX, PatientQuery
from actors.domain.patient_words import NAME_WORDS_MAX, WORD_MAX_CHARS, patient_words


def words(
    name: str = "Anna Meier",
    phone: str | None = None,
    email: str | None = None,
    born: date | None = None,
) -> tuple[str, ...]:
    return patient_words(
        name,
        email_key=email_key(email) if email else None,
        phone_key=phone_key(phone) if phone else None,
        date_of_birth=born,
    )


def finds(text: str, patient: tuple[str, ...], region: str = "DE") -> bool:
    terms = PatientQuery.of(text, region).terms
    return bool(terms) and all(term.holds(patient) for term in terms)


@pytest.mark.parametrize(
    ("name", "found_by", "not_by"),
    [
        ("Anna Meier", ["anna", "MEIER anna", "me an", "  Anna\tM "], ["nna", "anna b", "annam"]),
        ("Jürgen Müller", ["müller", "muller", "mueller", "mue", "MÜL jü"], ["mller", "moeller"]),
        ("Juergen Mueller", ["jürgen", "mueller"], ["muller"]),
        ("Jürgen", ["Ju\u0308rgen", "jurgen"], ["jurgens"]),
        ("Zoë Groß", ["zoe", "gross", "groß"], ["gros zo\u00eb b"]),
        ("Renée O'Brien", ["renee", "obrien", "o'brien", "o\u2019brien", "brien"], ["rien"]),
        ("Søren Łukasz", ["soren", "soeren", "lukasz", "Ł"], ["sren"]),
        ("Anna-Lena Lüdenscheidt", ["anna-lena", "lena", "anna"], ["annalena"]),
        ("İbrahim Yılmaz", ["ibrahim", "yilmaz", "yılmaz"], ["brahim"]),
        ("Đặng Nguyễn", ["dang", "nguyen", "Đặng"], ["nguyens"]),
        ("Дмитрий", ["дмитрии", "ДМИТРИЙ"], ["митрий"]),
        ("अनिता शर्मा", ["अनि", "शर्मा अनिता"], ["निता"]),
        ("山田太郎", ["山田", "山"], ["太郎"]),
        ("Patient 7", ["patient 7", "7"], ["patient 77", "8"]),
    ],
)
def test_names(name: str, found_by: list[str], not_by: list[str]) -> None:
    patient = words(name)
    assert [text for text in found_by if not finds(text, patient)] == []
    assert [text for text in not_by if finds(text, patient)] == []


@pytest.mark.parametrize(
    ("phone", "region", "found_by", "not_by"),
    [
        (
            "+49 176 1234567",
            "DE",
            [
                *("0176", "0176 123", "0176/12 34-567", "176", "1761234567", "4567", "34567"),
                *("+49 (176) 123", "+49 (0)176 1234567", "0049176", "004917612"),
            ],
            ["1234", "567", "01777", "+43 176", "17", "0176 9"],
        ),
        ("0176 1234567", "DE", ["0176 12", "+49 176 1234567", "0049 176", "4567"], ["+43 176"]),
        ("0176 1234567", "", ["0176 12", "4567"], ["+49 176"]),
        ("+12025550100", "US", ["(202) 555", "1-202-555-0100", "+1 202", "0100"], ["555-01"]),
        ("+12025550100", "DE", ["001 202 555", "+1 (202)"], ["02025559"]),
        ("+390612345678", "IT", ["06 1234", "+39 06", "5678"], ["07"]),
        ("+4312345678", "AT", ["01 234", "+43 (0)1 234", "43123", "5678"], ["01 235"]),
    ],
)
def test_telephone_numbers(phone: str, region: str, found_by: list[str], not_by: list[str]) -> None:
    patient = words(phone=phone)
    assert [text for text in found_by if not finds(text, patient, region)] == []
    assert [text for text in not_by if finds(text, patient, region)] == []


@pytest.mark.parametrize(
    ("text", "region", "born"),
    [
        ("1980-03-08", "", (1980, 3, 8)),
        ("1980/3/8", "US", (1980, 3, 8)),
        ("08.03.1980", "DE", (1980, 3, 8)),
        ("8.3.1980", "US", (1980, 3, 8)),
        ("8. 3. 1980", "DE", (1980, 3, 8)),
        ("3/8/1980", "US", (1980, 3, 8)),
        ("3/8/1980", "PH", (1980, 3, 8)),
        ("3/8/1980", "AT", (1980, 8, 3)),
        ("3/8/1980", "", (1980, 8, 3)),
        ("8/13/1980", "CA", (1980, 8, 13)),
        ("03-08-1980", "US", (1980, 3, 8)),
        ("29.02.2000", "DE", (2000, 2, 29)),
    ],
)
def test_dates_of_birth(text: str, region: str, born: tuple[int, int, int]) -> None:
    assert finds(text, words(born=date(*born)), region)
    assert not finds(text, words(born=date(1999, 9, 9)), region)
    assert finds(f"ann {text}", words(born=date(*born)), region)


@pytest.mark.parametrize("text", ["31.02.1980", "1980-13-01", "0.0.0000", "13/13/1980"])
def test_an_impossible_date_is_no_date(text: str) -> None:
    begins = [each for term in PatientQuery.of(text).terms for each in term.beginnings]
    assert begins
    assert not [each for each in begins if each.startswith("b")]


def test_email_addresses() -> None:
    patient = words(email="Anna.Meier@Straße.example")
    for text in ("anna.meier@straße.example", "ANNA.MEIER@xn--stra", "anna.m", "Anna.Meier@"):
        assert finds(text, patient), text
    for text in ("meier@", "straße.example", "anna.meier@strasse.example", "@"):
        assert not finds(text, patient), text


def test_all_parts_must_hold() -> None:
    patient = words("Anna Müller", "+49 176 1234567", "am@example.org", date(1980, 3, 8))
    for text in ("anna 1980-03-08", "mül 0176", "8.3.1980 0176 123", "am@e 4567 anna"):
        assert finds(text, patient), text
    for text in ("anna 1980-03-09", "mül 0177", "8.3.1980 0176 124", "berta am@e"):
        assert not finds(text, patient), text


@pytest.mark.parametrize("text", ["", " \t\n", "---", "%_'\"\\", "\0\x01", "()", "+"])
def test_what_has_no_words_finds_nobody(text: str) -> None:
    assert PatientQuery.of(text, "DE").terms == ()


@pytest.mark.parametrize("long", ["a", "ü", "1 ", "1", "a ", "+", "a@", "'", "1.", "a.b"])
def test_work_is_bounded(long: str) -> None:
    began = time.process_time()
    terms = PatientQuery.of(long * 10_000, "DE").terms
    patient_words(long * 10_000, email_key=None, phone_key=None, date_of_birth=None)
    assert len(terms) <= TERMS_MAX
    assert all(len(each) <= WORD_MAX_CHARS + 1 for term in terms for each in term.beginnings)
    assert time.process_time() - began < 2


def test_the_words_of_a_patient_are_bounded() -> None:
    many = " ".join(f"name{n}" for n in range(500))
    found = patient_words(many, email_key="a@b.c", phone_key="+491761", date_of_birth=None)
    assert len(found) <= NAME_WORDS_MAX + 5
    assert {"ea@b.c", "p1761"} <= {*found}


@pytest.mark.parametrize(
    ("text", "best_first"),
    [
        ("anna mei", ["Mei Anna", "Anna Lena Mei", "Anna Meier"]),
        ("muller", ["Müller", "Otto Müller", "Otto Mullerke"]),
        ("anna 1980-03-08", ["Anna", "Anna Meier", "Annabel Meier"]),
    ],
)
def test_the_best_match_comes_first(text: str, best_first: list[str]) -> None:
    query = PatientQuery.of(text, "DE")
    ranks = [query.rank(name, whole(query, words(name))) for name in best_first]
    assert ranks == [0, 1, 2]


def test_a_number_alone_ranks_all_alike() -> None:
    query = PatientQuery.of("0176", "DE")
    patients = [(name, words(name, "+49 176 1")) for name in ("Anna", "Bo Li")]
    assert {query.rank(name, whole(query, found)) for name, found in patients} == {1}


def whole(query: PatientQuery, patient: tuple[str, ...]) -> bool:
    return all(not {*term.names}.isdisjoint(patient) for term in query.of_names)
