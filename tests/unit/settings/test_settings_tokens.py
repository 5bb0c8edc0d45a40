import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mape_k.errors import ConfigError
from mape_k.settings import Settings, Tokens, ensure_tokens, known_operator_token, load_settings, token_file, write_once

SECRET = "correct-horse-battery-staple"


def settings_in(folder: Path, **environ: str) -> Settings:
    return load_settings({"STATE_DIRECTORY": str(folder), **environ})


def shown(tokens: Tokens) -> tuple[str, str]:
    return tokens.operator.get_secret_value(), tokens.ingest.get_secret_value()


def test_tokens_are_made_once_and_kept_for_their_owner_alone(tmp_path: Path):
    settings = settings_in(tmp_path / "state")
    first = shown(ensure_tokens(settings))
    assert shown(ensure_tokens(settings)) == first
    assert len(set(first)) == 2
    assert min(map(len, first)) >= 43
    assert sorted(path.name for path in settings.state_folder.iterdir()) == ["ingest.token", "operator.token"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in settings.state_folder.iterdir()} == {0o600}
    assert stat.S_IMODE(settings.state_folder.stat().st_mode) == 0o700


def test_a_configured_token_is_neither_made_nor_kept(tmp_path: Path):
    settings = settings_in(tmp_path, MAPE_K_OPERATOR_TOKEN=SECRET)
    assert ensure_tokens(settings).operator.get_secret_value() == SECRET
    assert [path.name for path in tmp_path.iterdir()] == ["ingest.token"]
    assert known_operator_token(settings).get_secret_value() == SECRET


def test_a_command_finds_the_operators_token_and_never_makes_one(tmp_path: Path):
    settings = settings_in(tmp_path)
    assert known_operator_token(settings) is None
    assert list(tmp_path.iterdir()) == []
    made = ensure_tokens(settings)
    assert known_operator_token(settings).get_secret_value() == made.operator.get_secret_value()


def test_two_that_start_at_once_agree_on_the_tokens(tmp_path: Path):
    settings = settings_in(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: shown(ensure_tokens(settings)), range(32)))
    assert len(made) == 1


def test_who_comes_second_keeps_what_the_first_one_made(tmp_path: Path):
    file = token_file(settings_in(tmp_path), "ingest")
    write_once(file, "x\n")
    made = file.read_text()
    write_once(file, "y\n")
    assert (file.read_text(), list(tmp_path.iterdir())) == (made, [file])


@pytest.mark.parametrize("content", ["", "short", "has a space in the middle of it", "ümläut-ümläut-ümläut"])
def test_a_kept_file_that_holds_no_token_is_refused_with_a_remedy(content: str, tmp_path: Path):
    settings = settings_in(tmp_path)
    token_file(settings, "ingest").write_text(content)
    with pytest.raises(ConfigError, match=r"ingest.token: expected .* delete it"):
        ensure_tokens(settings)


def test_a_state_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"operator\.token: cannot be"):
        ensure_tokens(settings_in(tmp_path / "file"))


def test_a_token_file_that_cannot_be_read_is_refused(tmp_path: Path):
    settings = settings_in(tmp_path)
    token_file(settings, "operator").mkdir()
    with pytest.raises(ConfigError, match=r"operator\.token: cannot be read: Is a directory"):
        known_operator_token(settings)
