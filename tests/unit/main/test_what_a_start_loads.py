"""A daemon that was killed must be back soon: it loads nothing that only single commands need."""

import subprocess
import sys

ONLY_COMMANDS_NEED = ("mape_k.packfiles", "mape_k.packlint", "mape_k.packbuild", "mape_k.deploy", "mape_k.preview")
EXTRAS = ("promql_parser", "grafana_foundation_sdk", "opentelemetry", "requests", "jinja2", "psycopg")


def test_the_daemon_starts_without_what_only_commands_and_extras_need():
    program = "import sys, mape_k.main; print('\\n'.join(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = answer.stdout.splitlines()

    assert "mape_k.loop" in loaded
    assert [name for name in loaded if name.startswith((*ONLY_COMMANDS_NEED, *EXTRAS))] == []
