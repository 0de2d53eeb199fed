"""The chatbot's page: it books in plain English and reports an offered time that is taken."""

from playwright.async_api import Page, expect

from tests.browser.windows import PHONE, Windows, signed_in
from tests.support.clinic import Clinic, Person


class ChatScreen:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.lines = page.locator(".chat-line")

    async def send(self, message: str) -> None:
        await self.page.get_by_label("Your message").fill(message)
        await self.page.get_by_role("button", name="Send").click()

    async def last(self, text: str) -> None:
        await expect(self.lines.last).to_contain_text(text)


async def chat_of(windows: Windows, clinic: Clinic, person: Person) -> ChatScreen:
    page = await windows.open(signed_in(clinic.url, "chat", person.token), viewport=PHONE)
    screen = ChatScreen(page)
    await screen.last("Hello!")
    await expect(page.locator("[data-connection=online]")).to_be_attached()
    return screen


async def test_an_appointment_is_booked_in_words_and_with_buttons(
    clinic: Clinic, windows: Windows
) -> None:
    person = clinic.patients[0]
    chat = await chat_of(windows, clinic, person)
    await chat.send("I need a cleaning with Dentist 0 in 3 days after 2")
    await chat.last("at 14:00")
    await chat.page.get_by_role("button", name="at 15:00").click()
    await chat.last("Shall I book it?")
    await chat.page.get_by_role("button", name="Yes, book it").click()
    await chat.last("Booked: cleaning with Dentist 0")
    (row,) = (await clinic.api(person).get("/api/appointments")).body["data"]
    assert (row["start"], row["created_via"]) == (clinic.at("15:00"), "chatbot")
    await expect(chat.page.locator(".notice")).to_have_count(0)


async def test_a_taken_offer_is_reported_unprompted(clinic: Clinic, windows: Windows) -> None:
    person = clinic.patients[0]
    booked = await clinic.book(person, "16:00")
    chat = await chat_of(windows, clinic, person)
    await chat.send("check-up with Dentist 0 in 3 days after 9am")
    await chat.last("at 09:00")
    await expect(chat.page.get_by_role("button", name="at 09:00")).to_be_enabled()
    await clinic.book(clinic.patients[1], "09:00")
    await chat.last("was just taken by somebody else")
    await expect(chat.page.get_by_role("button", name="at 09:00")).to_have_count(0)
    moved = await clinic.api(clinic.dentists[0]).put(
        f"/api/appointments/{booked['id']}", {"start": clinic.at("17:00")}
    )
    assert moved.status == 200
    await chat.last("at 17:00")


async def test_messages_are_shown_as_text(clinic: Clinic, windows: Windows) -> None:
    chat = await chat_of(windows, clinic, clinic.patients[0])
    await chat.send("<img src=x onerror=alert(1)><b>bold</b>")
    await chat.last("didn’t understand")
    await expect(chat.lines.nth(1)).to_contain_text("<b>bold</b>")
    assert await chat.page.locator(".chat-lines img, .chat-lines b").count() == 0
