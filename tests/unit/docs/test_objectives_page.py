"""The page about objectives shows what is shipped, and names everything that may be said."""

import re
from pathlib import Path

from mape_k.packbuild.objectives import WINDOWS, Objective, read_objectives
from mape_k.packbuild.openslo import ANNOTATIONS
from objective_cases import alert, read

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_shows_an_objective_as_it_is() -> None:
    shipped = ROOT / "config" / "packs" / "charter" / "objectives" / "validation-latency.yaml"
    assert BLOCKS[0] == shipped.read_text(encoding="utf-8")


def test_the_alerts_on_the_page_are_taken(tmp_path: Path) -> None:
    for line in BLOCKS[1].splitlines():
        name, _, text = line.removeprefix("mape-k/alert.").partition(": ")
        assert [each.name for each in read(tmp_path, alert(text, name)).alerts] == [name]


def test_the_page_has_the_standard_alerts() -> None:
    (burn, leak) = next(each for each in _charter() if each.name == "validation-latency").alerts
    for each in (*burn.burns, *leak.burns):
        assert re.search(rf"\| {each.factor} \| {each.long} and {each.short} \|", PAGE)


def _charter() -> tuple[Objective, ...]:
    return read_objectives(ROOT / "config" / "packs" / "charter", "charter")


def test_the_page_names_every_annotation_and_every_window() -> None:
    assert [key for key in ANNOTATIONS if key not in PAGE] == []
    assert f"Windows are {', '.join(list(WINDOWS)[:-1])} and {list(WINDOWS)[-1]}." in PAGE


def test_the_page_shows_how_a_bound_is_spelled() -> None:
    good = next(each.good for each in _charter() if each.name == "validation-latency")
    (spelled,) = re.findall(r"becomes `(le=~\"[^`]*)`", PAGE)
    assert good
    assert spelled in good
