"""Every fault of the corpus is found under its own name; its correct form is left in peace; no check is dispensable."""

import pytest

from lint.corpus import CORPUS, cases
from mape_k.catalogue import shipped_packs
from mape_k.packlint import CHECKS, check_pack

CASES = cases()
OF_PACKS = {
    "board-without-uid",
    "incomplete-alert",
    "missing-runbook",
    "selector-without-job",
    "unknown-metric-in-text",
    "unused-metric",
}
"""Checks that only packs are asked; their tests are in test_packs_checked.py."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exactly_the_fault_is_found(case):
    report = case.bad()

    assert not report.refusals
    assert {each.check for each in report.complaints} == {case.check}, [str(each) for each in report.complaints]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_is_said_about_the_correct_form(case):
    assert [str(each) for each in case.false_complaints()] == []


@pytest.mark.parametrize("check", sorted(set(CHECKS) - OF_PACKS))
def test_a_check_that_is_left_out_is_missed_by_the_corpus(check):
    of_check = [case for case in CASES if case.check == check]

    assert of_check
    assert not any(case.is_caught(without=frozenset({check})) for case in of_check)


def test_all_kinds_of_fault_are_in_the_corpus():
    assert {case.kind for case in CASES} >= set(range(1, 26))


def test_every_folder_of_the_corpus_is_a_case():
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} == {case.name for case in CASES}


@pytest.mark.parametrize("name", sorted(shipped_packs()))
def test_nothing_is_wrong_with_a_shipped_pack(name):
    report = check_pack(shipped_packs()[name])

    assert [str(each) for each in (*report.refusals, *report.complaints)] == []
