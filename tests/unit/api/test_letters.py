import pytest

from fakes_daemon import AS_ALERTMANAGER, AS_OPERATOR
from fakes_letters import FakeDeadLetters, a_letter
from mape_k.model import LetterKind, LetterState


@pytest.fixture
def daemon(daemon):
    daemon.dead_letters = FakeDeadLetters(*(a_letter(f"dl-{number}") for number in range(5)))
    return daemon


async def test_the_letters_are_listed_page_by_page(api):
    first = await (await api.get("/api/v1/dlq?limit=3")).json()
    second = await (await api.get(f"/api/v1/dlq?limit=3&cursor={first['next_cursor']}")).json()

    assert [letter["letter_id"] for letter in first["items"] + second["items"]] == [f"dl-{n}" for n in range(5)]
    assert (first["next_cursor"], second["next_cursor"]) == ("dl-2", None)


async def test_one_letter_tells_all_of_itself(api):
    letter = await (await api.get("/api/v1/dlq/dl-1")).json()

    assert (letter["kind"], letter["state"], letter["channel"], letter["attempts"]) == (
        LetterKind.NOTIFICATION,
        LetterState.PENDING,
        "slack",
        1,
    )
    assert letter["due_at"] == "2026-03-01T12:30:00Z"
    assert letter["document"] == {"subject": "Frozen"}


@pytest.mark.parametrize(("order", "state"), [("retry", LetterState.PENDING), ("drop", LetterState.DROPPED)])
async def test_an_order_is_kept_with_who_gave_it(api, daemon, order, state):
    response = await api.post(f"/api/v1/dlq/dl-1/{order}", json={"by": "ada"}, headers=AS_OPERATOR)

    assert (response.status, (await response.json())["state"]) == (200, state)
    assert daemon.dead_letters.ordered_by == ["ada"]


@pytest.mark.parametrize("order", ["retry", "drop"])
async def test_an_order_about_a_letter_that_is_being_tried_says_so_and_changes_nothing(api, daemon, order):
    daemon.dead_letters.letters["dl-1"] = tried = a_letter(state=LetterState.TRYING)
    response = await api.post(f"/api/v1/dlq/dl-1/{order}", headers=AS_OPERATOR)

    assert (response.status, (await response.json())["state"]) == (409, LetterState.TRYING)
    assert daemon.dead_letters.letters["dl-1"] == tried


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/dlq/dl-none", 404),
        ("POST", "/api/v1/dlq/dl-none/retry", 404),
        ("POST", "/api/v1/dlq/dl-none/drop", 404),
        ("GET", "/api/v1/dlq?cursor=dl-none", 400),
        ("GET", "/api/v1/dlq?limit=0", 400),
        ("GET", "/api/v1/dlq?state=parked", 400),
    ],
)
async def test_what_is_not_there_or_not_understood_is_told(api, method, path, status):
    response = await api.request(method, path, headers=AS_OPERATOR)

    assert response.status == status


@pytest.mark.parametrize("headers", [{}, AS_ALERTMANAGER], ids=["nobody", "the ingest token"])
async def test_orders_ask_for_the_operators_token(api, daemon, headers):
    response = await api.post("/api/v1/dlq/dl-1/drop", headers=headers)

    assert response.status in (401, 403)
    assert daemon.dead_letters.letters["dl-1"].state is LetterState.PENDING


async def test_letters_that_cannot_be_read_are_no_empty_list(api, daemon):
    daemon.dead_letters.is_down = True

    assert (await api.get("/api/v1/dlq")).status == 503
