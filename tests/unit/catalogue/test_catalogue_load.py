import json
from dataclasses import MISSING, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mape_k.catalogue import load_catalogue, schema_text, shipped_packs
from mape_k.errors import ConfigError
from mape_k.model import Limits, OnExpiry, OnMissing, Remediation, Signal, Symptom, Verification

ROOT = Path(__file__).parents[3]
MINIMAL = ROOT / "tests" / "packs" / "minimal"
TEXT = (MINIMAL / "pack.yaml").read_text()
SCHEMA = ROOT / "config" / "packs" / "pack.schema.json"


def write_pack(folder: Path, text: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pack.yaml").write_text(text)
    return str(folder)


def problems(*specs: str, shipped: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_catalogue(specs, shipped=shipped)
    return refused.value.problems


LAPSING = "lifetime: {ttl: 1h, on_expiry: lapse}"
BROKEN = [
    # what is written, what is written instead, line, key and complaint
    ("pack: minimal", "pack: [minimal", "3: not YAML: "),
    ("pack: minimal", "pack: &name minimal", "2: pack: anchor &name is not allowed"),
    ("cost: 0.2", "cost: 0.2\n    cost: 0.3", "35: remediations.add_worker.cost: duplicate key, first on line 34"),
    ("unit: tasks\n", "units: tasks\n", "9: signals.waiting.units: unknown key; did you mean 'unit'?"),
    ("unit: tasks\n", "units: tasks\n", "7: signals.waiting.unit: is missing; add it"),
    ("pack: minimal", "pack: minimal\nzzz: 1", "3: zzz: unknown key; known here are pack, title, jobs"),
    ("pack: minimal", "pack: Mini mal", "2: pack: expected lower-case letters, digits and '-', a letter first, got"),
    ("  waiting:\n", "  Wait-ing:\n", "7: signals.Wait-ing: expected lower-case letters, digits and '_'"),
    ("  waiting:\n", "  x: 3\n  waiting:\n", "7: signals.x: expected keys with values, got 3"),
    ("signals:\n", "signals: []\nx:\n", "6: signals: expected keys with values"),
    ("15s", "15", "5: jobs.queue.scrape_interval: expected a duration such as 30s, 5m, 1h30m or 250ms, got 15"),
    ("15s", "0s", "5: jobs.queue.scrape_interval: expected longer than 0s"),
    ("15s", "2y", "5: jobs.queue.scrape_interval: expected at most a year"),
    ("target_label: instance", "target_label: in-stance", "11: signals.waiting.target_label: expected a label name"),
    ("target_label: instance", "target_label: __name__", "11: signals.waiting.target_label: expected a label name"),
    ("trend: true", "trend: yes", '17: signals.served_rate.trend: expected true or false, got "yes"'),
    ("trend: true", "on_missing: zero", "17: signals.served_rate.on_missing: expected 'hold', 'breach' or 'ignore'"),
    ('queue_waiting{job="queue"}', '"rate(x[5m]"', "8: signals.waiting.query: the query has a '(' that is never"),
    ('queue_waiting{job="queue"}', '""', "8: signals.waiting.query: the query is empty"),
    ("window: 5m", "window: 4m", "16: signals.served_rate.window: the query looks back over 300s"),
    ("    window: 5m\n", "", "12: signals.served_rate.window: the query looks back over 300s"),
    (
        "job: queue\n    window",
        "job: qeue\n    window",
        "15: signals.served_rate.job: 'qeue' is not one of this pack's jobs",
    ),
    ("signal: waiting\n", "signal: wating\n", "23: symptoms.queue_grows.signal: 'wating' is not one of"),
    ("[add_worker]", "[ad_worker]", "24: symptoms.queue_grows.remediations[0]: 'ad_worker' is not one of"),
    ("[add_worker]", "add_worker", "24: symptoms.queue_grows.remediations: expected a list, got"),
    ("[queue_grows]", "[queue_shrinks]", "30: symptoms.nothing_served.explains[0]: 'queue_shrinks' is not one of"),
    ("[queue_grows]", "[nothing_served]", "30: symptoms.nothing_served.explains: goes in a circle"),
    ("{fixed: queue}", "{fixed: '*'}", "27: symptoms.nothing_served.target.fixed: expected the name of one target"),
    ("{fixed: queue}", "{fixed: ' '}", "27: symptoms.nothing_served.target.fixed: expected the name of one target"),
    ("{fixed: queue}", "{fixed: node-.+}", "27: symptoms.nothing_served.target.fixed: expected the name of one target"),
    (
        "{fixed: queue}",
        "{fixed: a, label: b}",
        "27: symptoms.nothing_served.target: expected exactly one of label, fixed",
    ),
    (
        "{fixed: queue}",
        "{}",
        "27: symptoms.nothing_served.target: expected exactly one of label, fixed, dominant; found none",
    ),
    (
        "{fixed: queue}",
        "{dominant: served_rate}",
        "27: symptoms.nothing_served.target.dominant: served_rate has no target",
    ),
    (
        "{below: 0.1, for: 1m}",
        "{below: 0.1, fro: 1m}",
        "29: symptoms.nothing_served.threshold.fro: unknown key; did you mean 'for'",
    ),
    (
        "{below: 0.1, for: 1m}",
        "{below: 0.1, above: 2}",
        "29: symptoms.nothing_served.threshold: expected exactly one of",
    ),
    ("    threshold: {below: 0.1, for: 1m}\n", "", "25: symptoms.nothing_served: can never be noticed"),
    ("    signal: served_rate\n", "", "28: symptoms.nothing_served.threshold: needs the key signal"),
    (
        "    signal: waiting\n",
        "    signal: waiting\n    deviation: 6\n",
        "24: symptoms.queue_grows.deviation: needs the past of waiting",
    ),
    ("alert: QueueGrows", "alert: Queue grows", "22: symptoms.queue_grows.alert: expected an alert's name"),
    (
        "alert: QueueGrows",
        "runbook: ../../etc/passwd",
        "22: symptoms.queue_grows.runbook: expected the name of a .md file",
    ),
    (
        "severity: critical",
        "severity: fatal",
        "26: symptoms.nothing_served.severity: expected 'info', 'warning' or 'critical'",
    ),
    ("cost: 0.2", "cost: 2", "34: remediations.add_worker.cost: expected at most 1, got 2"),
    ("cost: 0.2", "cost: -0.1", "34: remediations.add_worker.cost: expected at least 0, got -0.1"),
    ("cost: 0.2", "cost: .nan", "34: remediations.add_worker.cost: .nan is not a finite number"),
    ("cost: 0.2", "cost: true", "34: remediations.add_worker.cost: expected a number, got true"),
    ("cost: 0.2", "cost: '0.2'", '34: remediations.add_worker.cost: expected a number, got "0.2"'),
    (
        "cost: 0.2",
        "cost: 0.2\n    prior: {success: 1}",
        "35: remediations.add_worker.prior.success: expected less than 1",
    ),
    (
        "cost: 0.2",
        "cost: 0.2\n    attempts: {max: 1.5}",
        "35: remediations.add_worker.attempts.max: expected a whole number",
    ),
    (
        "cost: 0.2",
        "cost: 0.2\n    blast_radius: 7",
        "35: remediations.add_worker.blast_radius: is over limits.max_targets",
    ),
    ("cost: 0.2", "cost: 0.2\n    effector: shell", "35: remediations.add_worker.effector: expected 'charter'"),
    ("workers: 1", "Workers: 1", "33: remediations.add_worker.policy.parameters.Workers: expected lower-case letters"),
    (
        "      all:\n        - {signal: waiting, below: 100}",
        "      all: []",
        "36: remediations.add_worker.verify.all: expected at least 1",
    ),
    (
        "{signal: waiting, below: 100}",
        "{signal: waiting}",
        "37: remediations.add_worker.verify.all[0]: expected exactly one",
    ),
    ("100}\n", "100}\n      deadline: 15s\n", "38: remediations.add_worker.verify.deadline: 15s cannot be met"),
    (
        "{signal: waiting, below: 100}\n",
        "{signal: served_rate, above: 1}\n      hold: 5m\n",
        "35: remediations.add_worker.verify.deadline: 600s cannot be met: window + scrape_interval + settle + hold",
    ),
    ("100}\n", "100}\n      worse_ratio: 1\n", "38: remediations.add_worker.verify.worse_ratio: expected more than 1"),
    ("    compensation: {kind: remove_worker}\n", "", "32: remediations.add_worker.compensation: is missing"),
    (
        "{kind: remove_worker}",
        "none",
        "38: remediations.add_worker.compensation: expected 'nothing' or 'irreversible', got",
    ),
    (
        "{kind: remove_worker}",
        "{knd: remove_worker}",
        "38: remediations.add_worker.compensation.knd: unknown key; did you mean 'kind'",
    ),
    ("lifetime: once", "lifetime: forever", "39: remediations.add_worker.lifetime: expected 'once', got"),
    (
        "lifetime: once",
        "lifetime: {ttl: 10m, on_expiry: lapse}",
        "39: remediations.add_worker.lifetime.ttl: ends before verify.deadline",
    ),
    (
        "lifetime: once",
        LAPSING.replace("1h", "an hour"),
        "39: remediations.add_worker.lifetime.ttl: expected a duration",
    ),
]


@pytest.mark.parametrize(("sound", "broken", "complaint"), BROKEN, ids=[complaint for *_, complaint in BROKEN])
def test_a_broken_pack_is_refused_with_file_line_and_key(sound: str, broken: str, complaint: str, tmp_path: Path):
    assert sound in TEXT
    folder = write_pack(tmp_path / "broken", TEXT.replace(sound, broken, 1))
    told = problems(folder)
    assert any(line.startswith(f"{folder}/pack.yaml:{complaint}") for line in told), told


@pytest.mark.parametrize(
    "sound",
    [
        TEXT.replace(LAPSING, "lifetime: once"),
        TEXT.replace("lifetime: once", LAPSING),
        TEXT.replace("{kind: remove_worker}", "irreversible"),
        TEXT.replace("on: x", "x"),
        TEXT.replace("15s", "250ms"),
        "\ufeff" + TEXT,
        TEXT.replace("\n", "\r\n"),
        "pack: empty\ntitle: Nothing is watched yet\n",
    ],
)
def test_a_sound_pack_is_taken_however_it_is_written(sound: str, tmp_path: Path):
    assert len(load_catalogue([write_pack(tmp_path, sound)]).packs) == 1


def test_references_become_full_names_and_durations_seconds():
    pack = load_catalogue([str(MINIMAL)]).packs["minimal"]
    symptom, remediation = pack.symptoms["nothing_served"], pack.remediations["add_worker"]
    assert symptom.signal == symptom.threshold.signal == "minimal/served_rate"
    assert (symptom.threshold.below, symptom.threshold_for_seconds) == (0.1, 60)
    assert pack.signals["served_rate"].window_seconds == 300
    assert remediation.verification.bounds[0].signal == "minimal/waiting"
    assert (remediation.kind, remediation.parameters) == ("add_worker", {"workers": 1})
    assert remediation.compensation.kind == "remove_worker"


@pytest.mark.parametrize(
    ("compensation", "is_irreversible", "leaves_nothing"),
    [("{kind: x}", False, False), ("nothing", False, True), ("irreversible", True, False)],
)
def test_what_undoes_a_remediation_is_always_said(compensation, is_irreversible, leaves_nothing, tmp_path: Path):
    folder = write_pack(tmp_path, TEXT.replace("{kind: remove_worker}", compensation))
    remediation = load_catalogue([folder]).remediation("minimal", "add_worker")
    assert (remediation.is_irreversible, remediation.leaves_nothing) == (is_irreversible, leaves_nothing)


def test_a_lifetime_keeps_what_decides_about_renewal(tmp_path: Path):
    renewed = "{ttl: 1h, on_expiry: renew_while_needed, needed: {signal: waiting, above: 5}, max_renewals: 2}"
    folder = write_pack(tmp_path, TEXT.replace("lifetime: once", f"lifetime: {renewed}"))
    lifetime = load_catalogue([folder]).remediation("minimal", "add_worker").lifetime
    assert (lifetime.ttl_seconds, lifetime.on_expiry, lifetime.max_renewals) == (3600, OnExpiry.RENEW_WHILE_NEEDED, 2)
    assert (lifetime.needed.signal, lifetime.needed.above) == ("minimal/waiting", 5)


def test_an_omitted_key_means_what_the_values_mean_without_it():
    pack = load_catalogue([str(MINIMAL)]).packs["minimal"]
    assert pack.limits == Limits()
    given = {"kind", "parameters", "cost", "scope_label", "compensation", "verification", "pack", "name"}
    omitted = [each for each in fields(Remediation) if each.name not in given and each.default is not MISSING]
    remediation = pack.remediations["add_worker"]
    assert {each.name: getattr(remediation, each.name) for each in omitted} == {
        each.name: each.default for each in omitted
    }
    assert remediation.verification == Verification(bounds=remediation.verification.bounds)
    assert pack.signals["waiting"].on_missing is OnMissing.HOLD


def test_a_key_given_by_nobody_has_no_second_default_in_symptoms_and_signals():
    pack = load_catalogue([str(MINIMAL)]).packs["minimal"]
    signal, symptom = pack.signals["waiting"], pack.symptoms["queue_grows"]
    again = Signal(
        pack="minimal", name="waiting", query=signal.query, unit="tasks", job="queue", target_label="instance"
    )
    assert signal == again
    assert symptom == Symptom(
        pack="minimal",
        name="queue_grows",
        severity=symptom.severity,
        target=symptom.target,
        alert="QueueGrows",
        signal="minimal/waiting",
        remediations=("add_worker",),
    )


def test_the_catalogue_cannot_be_changed():
    catalogue = load_catalogue([str(MINIMAL)])
    with pytest.raises(TypeError):
        catalogue.packs["minimal"].signals["new"] = None


def test_the_digest_follows_what_decides_and_not_how_it_is_written(tmp_path: Path):
    def digest(text: str) -> str:
        return load_catalogue([write_pack(tmp_path, text)]).digest

    first = digest(TEXT)
    assert digest("# another comment\n" + TEXT.replace("{kind: remove_worker}", "\n      kind: remove_worker")) == first
    assert digest(TEXT.replace("cost: 0.2", "cost: 0.3")) != first


def test_the_problems_of_all_packs_are_told_at_once(tmp_path: Path):
    one = write_pack(tmp_path / "one", TEXT.replace("cost: 0.2", "cost: 2").replace("15s", "15"))
    two = write_pack(tmp_path / "two", "title: x\n")
    told = problems(one, "nowhere", two, str(tmp_path / "three"))
    assert len(told) == 5
    assert "no such pack is shipped" in told[2]


def test_a_bare_name_is_a_shipped_pack(tmp_path: Path):
    write_pack(tmp_path / "minimal", TEXT)
    assert list(load_catalogue(["minimal"], shipped=tmp_path).packs) == ["minimal"]
    assert problems("minimol", shipped=tmp_path) == [
        "pack minimol: no such pack is shipped; did you mean 'minimal'? (a folder of your own: ./minimol)"
    ]


def test_one_pack_given_twice_is_refused(tmp_path: Path):
    again = write_pack(tmp_path / "again", TEXT)
    assert problems(str(MINIMAL), again) == [
        f"{again}/pack.yaml:2: pack: minimal is already {MINIMAL}/pack.yaml; give each its own name"
    ]


def test_one_scrape_job_with_two_intervals_is_refused(tmp_path: Path):
    other = write_pack(tmp_path / "other", TEXT.replace("pack: minimal", "pack: other").replace("15s", "30s"))
    assert problems(str(MINIMAL), other) == [
        f"{other}/pack.yaml:5: jobs.queue.scrape_interval: 30s here, 15s in {MINIMAL}/pack.yaml; a job has one interval"
    ]


def test_a_folder_without_a_pack_is_refused(tmp_path: Path):
    assert "cannot be read: No such file" in problems(str(tmp_path))[0]


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path):
    (tmp_path / "pack.yaml").mkdir()
    assert "is not a file" in problems(str(tmp_path))[0]


def test_a_file_over_a_megabyte_is_refused(tmp_path: Path):
    assert "is larger than 1000000 bytes" in problems(write_pack(tmp_path, TEXT + "#" * 1_000_001))[0]


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path):
    (tmp_path / "pack.yaml").write_bytes(b"pack: x\ntitle: caf\xe9\n")
    assert problems(str(tmp_path)) == [f"{tmp_path}/pack.yaml:2: is not UTF-8; save it as UTF-8"]


@pytest.mark.parametrize("text", ["", "just text", "- a\n- list\n", "3"])
def test_a_file_that_is_no_mapping_is_refused(text: str, tmp_path: Path):
    assert problems(write_pack(tmp_path, text)) == [
        f"{tmp_path}/pack.yaml:1: expected keys such as pack, title and signals"
    ]


def test_what_steers_a_terminal_is_shown_harmlessly(tmp_path: Path):
    told = problems(write_pack(tmp_path, TEXT.replace("unit: tasks\n", 'unit: tasks\n    "\\e[31m": 1\n')))
    assert told
    assert all(line.isprintable() for line in told)


NASTY = st.sampled_from(
    ["", "{}", "[]", "null", "- 1", "x: ", "0", ".inf", "'", "{{", "[key]", "word: 1", "\u202e", "1d"]
)


@given(line=st.integers(0, TEXT.count("\n") - 1), after=st.integers(0, 60), nasty=NASTY | st.text(max_size=12))
def test_whatever_stands_in_a_pack_it_is_taken_or_told_in_harmless_lines(line: int, after: int, nasty: str):
    lines = TEXT.splitlines()
    lines[line] = lines[line][:after] + nasty
    told: list[str] = []
    with TemporaryDirectory() as folder:
        (Path(folder) / "pack.yaml").write_text("\n".join(lines), errors="replace")
        try:
            load_catalogue([folder])
        except ConfigError as refused:
            told = refused.problems
    assert not [line for line in told if line.splitlines() != [line] or "\u202e" in line]


def test_no_pack_at_all_is_refused():
    assert problems() == ["no pack is named: at least one is needed"]


def test_the_published_schema_is_the_one_that_is_enforced():
    remedy = "python -c 'from mape_k.catalogue import schema_text; print(schema_text(), end=\"\")' > " + str(SCHEMA)
    assert SCHEMA.read_text() == schema_text(), f"write it anew: {remedy}"


def test_the_published_schema_accepts_a_sound_pack_and_refuses_an_unknown_key():
    schema, pack = json.loads(SCHEMA.read_text()), yaml.safe_load(TEXT)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(pack, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**pack, "signal": {}}, schema)


@pytest.mark.parametrize("name", shipped_packs())
def test_a_shipped_pack_is_sound(name: str):
    assert name in load_catalogue([name]).packs
