"""Records that the practice entered are adopted by tokens only where that is set."""

import pytest

from api.auth import AuthSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.tokens import SECRET, token


@pytest.mark.parametrize("adopts", [True, False, ""])
async def test_a_verified_address_adopts_a_record_where_it_is_set(
    open_clinic: OpenClinic, adopts: bool
) -> None:
    auth = AuthSettings(secret=SECRET, adopt_by_email=adopts)
    async with open_clinic(auth=auth) as clinic:
        body = {"role": "patient", "name": "Entered", "email": "new@example.org"}
        entered = await clinic.admin.post("/api/profiles", body)
        first = token("patient", "someone-new", email="new@example.org", email_verified=True)
        me = (await clinic.with_token(first).get("/api/profiles/me")).body
        assert (me["id"] == entered.body["id"]) == (adopts is not False)
