"""How e-mail addresses and telephone numbers are compared."""

import time

import pytest

from actors.domain.contact import KnownContact, email_key, is_region, phone_key, phone_keys


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Pat@Example.ORG", "pat@example.org"),
        ("pat@straße.example", "PAT@xn--strae-oqa.EXAMPLE"),
        ("pat@Bücher.example", "pat@BÜCHER.example"),
        ("pat@日本。jp", "pat@日本.jp"),
    ],
)
def test_addresses_of_one_mailbox_have_one_key(one: str, other: str) -> None:
    assert email_key(one) == email_key(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pat@straße.example", "pat@strasse.example"),
        ("pat@faß.example", "pat@fass.example"),
        ("pat@σς.example", "pat@σσ.example"),
        ("straße@example.org", "strasse@example.org"),
        ("\u212aim@example.org", "kim@example.org"),
        ("pat\u0307@example.org", "pat@example.org"),
        ("\u0131da@example.org", "ida@example.org"),
        ("\ufb01n@example.org", "fin@example.org"),
        ("a.b@example.org", "ab@example.org"),
    ],
)
def test_addresses_that_look_or_fold_alike_are_different(one: str, other: str) -> None:
    assert email_key(one) != email_key(other)


@pytest.mark.parametrize(
    "text", ["", "@", "a@", "@b.c", "a", "a\rb@c.d", "a@\u200d", "a@" + "ü" * 9_999], ids=ascii
)
def test_what_is_no_address_has_no_key(text: str) -> None:
    assert email_key(text) is None


@pytest.mark.parametrize(
    ("phone", "key"),
    [
        ("+43 1 234-56 78", "+4312345678"),
        ("+43 (0)1 2345678", "+4312345678"),
        ("+1 (202) 555.0100", "+12025550100"),
        ("+39 06 1234 5678", "+390612345678"),
        ("01/234 56 78", "012345678"),
        ("+999 12 34", "+9991234"),
        ("+1", "+1"),
        ("+", None),
        ("()", None),
    ],
)
def test_the_key_of_a_number_is_its_international_form(phone: str, key: str | None) -> None:
    assert phone_key(phone) == key


@pytest.mark.parametrize(
    ("region", "numbers"),
    [
        ("AT", ["+43 1 2345678", "01 2345678", "(01) 234-5678", "0043 1 2345678"]),
        ("US", ["+1 202 555 0100", "(202) 555-0100", "1-202-555-0100", "011 1 202 555 0100"]),
        ("GB", ["+44 20 7946 0958", "020 7946 0958", "+44 (0)20 7946 0958", "00442079460958"]),
        ("IT", ["+39 06 12345678", "06 12345678", "0039 06 12345678"]),
        ("AR", ["+54 9 11 2345-6789", "011 15-2345-6789"]),
        ("IN", ["+91 98765 43210", "098765 43210", "98765-43210", "00 91 9876543210"]),
        ("JP", ["+81 3-1234-5678", "03-1234-5678", "010 81 3 1234 5678"]),
    ],
)
def test_in_a_region_all_ways_to_dial_a_number_are_one(region: str, numbers: list[str]) -> None:
    """Whichever is stored, each of the others finds it."""
    for stored in numbers:
        for sought in numbers:
            assert phone_key(stored) in phone_keys(sought, region), (stored, sought)


@pytest.mark.parametrize("region", ["", "AT", "US", "AR"])
@pytest.mark.parametrize("other", ["+43 1 2345679", "+44 1 2345678", "2345678", "12345678", "1"])
def test_other_numbers_stay_different(region: str, other: str) -> None:
    assert "+4312345678" not in phone_keys(other, region)
    assert phone_key(other) not in phone_keys("+43 1 2345678", region)


def test_without_a_region_a_national_number_equals_only_itself() -> None:
    assert phone_keys("(01) 234 5678") == ("012345678",)


@pytest.mark.parametrize(
    "copied",
    ["\u202a+43 1 2345678\u202c", "+43\u00a01\u20112345678", "\uff0b\uff14\uff13 1 2345678"],
)
def test_a_copied_number_is_the_number_that_it_shows(copied: str) -> None:
    assert KnownContact.of(copied).phone_keys == ("+4312345678",)


def test_a_name_is_no_contact() -> None:
    known = KnownContact.of("Ada Lovelace", "AT")
    assert (known.email_key, known.phone_keys) == (None, ())


def test_regions_are_countries() -> None:
    assert is_region("AT")
    assert not any(map(is_region, ("at", "XX", "EU", "", "AUT")))


def test_the_longest_texts_take_no_time() -> None:
    began = time.process_time()
    for text in ("1" * 200, "@" * 200, "a@" + "\u00fc." * 100, "+" * 200, "(0)" * 66):
        KnownContact.of(text, "AR")
    assert time.process_time() - began < 0.5
