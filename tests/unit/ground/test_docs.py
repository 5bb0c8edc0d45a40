"""The pages of docs/ say what the code says."""

import enum
import inspect
import re
from pathlib import Path

import pytest

import mape_k.model
from draw_pages import pages
from mape_k.model import Reason, State

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
DRAWN = {State, Reason}
ENUMS = [
    value
    for value in vars(mape_k.model).values()
    if inspect.isclass(value) and issubclass(value, enum.Enum) and value not in DRAWN
]
LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_drawn_page_is_as_the_table_in_the_code(name: str) -> None:
    assert (ROOT / name).read_text() == pages()[name], "draw it again: .venv/bin/python tools/draw_pages.py"


@pytest.mark.parametrize("closed_list", ENUMS, ids=lambda closed_list: closed_list.__name__)
def test_the_glossary_explains_every_member_of_every_closed_list(closed_list: type[enum.Enum]) -> None:
    glossary = (DOCS / "glossary.md").read_text()

    assert [member.value for member in closed_list if f"`{member.value}`" not in glossary] == []


@pytest.mark.parametrize(
    "page", sorted(DOCS.rglob("*.md")) + sorted(ROOT.glob("*.md")), ids=lambda page: str(page.relative_to(ROOT))
)
def test_no_link_between_pages_leads_nowhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_decision_record_says_what_was_decided_why_and_what_would_change_it() -> None:
    records = sorted((DOCS / "adr").glob("*.md"))

    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for record in records:
        headings = re.findall(r"^## (.+)$", record.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "What would make us change it"], record.name
