import pytest

from mape_k.packlint import check_files

RULES = """\
groups:
  - name: g
    rules:
      - alert: Queue
        expr: increase(queue_depth[10m]) > 100
        for: 5m
"""


def complaints(tmp_path, content):
    path = tmp_path / "rules.yaml"
    path.write_text(content)
    return [each.check for each in check_files([path]).complaints]


def test_without_a_comment_the_fault_is_told(tmp_path):
    assert complaints(tmp_path, RULES) == ["rate-of-gauge"]


@pytest.mark.parametrize(
    "content",
    [
        RULES.replace("> 100", "> 100 # mape-k: ignore rate-of-gauge it only ever rises"),
        RULES.replace("        expr", "        # mape-k: ignore rate-of-gauge it only ever rises\n        expr"),
        RULES.replace("      - alert", "      # mape-k: ignore rate-of-gauge: it only ever rises\n      - alert"),
        RULES.replace(
            "      - alert", "      # mape-k: ignore rate-of-gauge - why\n\n      # Another one.\n      - alert"
        ),
    ],
)
def test_a_comment_on_the_line_or_above_it_or_above_the_rule_leaves_it_out(tmp_path, content):
    assert complaints(tmp_path, content) == []


def test_a_comment_about_another_rule_leaves_nothing_out(tmp_path):
    content = RULES.replace("    rules:", "    # mape-k: ignore rate-of-gauge it only ever rises\n    rules:")

    assert complaints(tmp_path, content) == ["rate-of-gauge"]


def test_a_comment_about_another_check_leaves_nothing_out(tmp_path):
    content = RULES.replace("> 100", "> 100 # mape-k: ignore unit-slip why not")

    assert complaints(tmp_path, content) == ["rate-of-gauge"]


def test_a_comment_that_names_no_check_is_told(tmp_path):
    content = RULES.replace("> 100", "> 100 # mape-k: ignore rate-of-gauges why not")

    assert complaints(tmp_path, content) == ["rate-of-gauge", "suppression-without-reason"]
