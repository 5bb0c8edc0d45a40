"""Which Pythons the suite ran on, and what that means for the command."""

import pytest

from every_python import interpreter, main


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        pytest.param({"3.11": "passed", "3.12": "passed", "3.13": "passed"}, 0, id="all pass"),
        pytest.param({"3.11": "passed", "3.12": "not run", "3.13": "passed"}, 0, id="an absent one is no failure"),
        pytest.param({"3.11": "passed", "3.12": "failed: pytest ended with 1", "3.13": "passed"}, 1, id="one fails"),
        pytest.param({"3.11": "not run", "3.12": "not run", "3.13": "not run"}, 1, id="none ran"),
    ],
)
def test_each_version_is_told_and_a_failure_is_one(
    outcomes: dict[str, str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], run=lambda version, _: outcomes[version]) == code
    assert capsys.readouterr().out.splitlines() == [f"python {version}: {said}" for version, said in outcomes.items()]


def test_what_follows_the_command_is_for_pytest() -> None:
    seen = set()

    def run(_: str, arguments: list[str]) -> str:
        seen.add(tuple(arguments))
        return "passed"

    main(["tests/unit", "-k", "planted"], run=run)

    assert seen == {("tests/unit", "-k", "planted")}


def test_a_version_that_nobody_has_is_not_found() -> None:
    assert interpreter("2.99") is None
