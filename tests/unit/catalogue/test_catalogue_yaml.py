import pytest

from mape_k.catalogue.yaml_text import MAX_DEPTH, read_yaml


def complaints(text: str) -> list[str]:
    return [f"{problem.line}: {problem.sentence}" for problem in read_yaml(text).problems]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: &x 2\n", "2: anchor &x is not allowed"),
        ("a: &x 1\nb: *x\n", "2: alias *x is not allowed"),
        ("a: !!python/object:os.system x\n", "1: tag tag:yaml.org,2002:python/object:os.system is not allowed"),
        ("a: 1\nb: 2\na: 3\n", "3: duplicate key, first on line 1"),
        ("a: 1\nb: .nan\n", "2: .nan is not a finite number"),
        ("a: -.inf\n", "1: -.inf is not a finite number"),
        ("a: 1e999\n", "1: 1e999 is not a finite number"),
        ("a: 1\n---\nb: 2\n", "2: a second document begins"),
        ("a: 1\n? [b]\n: 2\n", "2: a key must be plain text"),
        ("a: 1\nb: \x01\n", "2: control characters are not allowed"),
        ("a: 1\nb: [1, }\n", "2: not YAML"),
        ("a:\n\tb: 1\n", "2: not YAML"),
        ("a: 1\n" + "- " * 3 + "x\n", "2: not YAML"),
        ("[" * 5000, f"1: nested deeper than {MAX_DEPTH} levels"),
        ("{a: " * 5000, f"1: nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_not_acceptable_is_told_with_its_line(text: str, complaint: str):
    assert any(told.startswith(complaint) for told in complaints(text)), complaints(text)


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("'5'", "5"),
        ("5", 5),
        ("-0.5e1", -5.0),
        ("true", True),
        ("~", None),
        ("", None),
        ("1_000", "1_000"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(scalar: str, value: object):
    read = read_yaml(f"a: {scalar}\n").value
    assert read == {"a": value}
    assert type(read["a"]) is type(value)


def test_every_value_knows_its_line_and_a_missing_one_that_of_its_neighbourhood():
    text = read_yaml("a:\n  b:\n    - 1\n    - {c: 2}\n")
    assert [text.line_of(place) for place in [("a",), ("a", "b"), ("a", "b", 1, "c"), ("a", "b", 1, "zzz")]] == [
        1,
        2,
        4,
        4,
    ]


def test_all_problems_of_a_text_are_told_at_once():
    assert len(complaints("a: &x 1\nb: *x\na: .inf\n")) == 4


def test_an_empty_text_is_nothing_and_no_problem():
    assert (read_yaml("").value, read_yaml("# only a comment\n").problems) == (None, ())
