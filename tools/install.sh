#!/usr/bin/env bash
# Install under DESTDIR (first argument; empty: the system itself): a virtual environment with the locked packages in
# /opt/mape-k, the settings in /etc/mape-k, the unit, the state folder. Nothing is enabled or started.
# A second run replaces the program in one step and leaves settings and state alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

destdir=${1:-}
[[ -z $destdir ]] || destdir=$(realpath -m -- "$destdir")
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
work=$(mktemp -d)
trap 'rm -rf -- "$work" "$destdir/opt/.mape-k.new"' EXIT

say() { echo "install: $*"; }

# The unit hides home folders, so an interpreter that lives in one would not be found by the service.
base_python() {
  local candidate found
  for candidate in "${PYTHON:-python3}" /usr/bin/python3 /usr/local/bin/python3; do
    found=$("$candidate" -c 'import os, sys, venv; print(os.path.realpath(sys._base_executable) * (sys.version_info >= (3, 11)))' 2>/dev/null) || continue
    [[ -z $found || $found == /root/* || $found == /home/* ]] || { echo "$found"; return; }
  done
  say "no Python 3.11 or later with venv outside home folders; on Debian: apt-get install python3-venv" >&2
  return 1
}

# Scripts name their interpreter by its place beside them, so that they work under DESTDIR and without it.
relocate() {
  local script=$1 body
  body=$(tail -n +2 "$script")
  printf '%s\n' '#!/bin/sh' "'''exec' \"\$(dirname -- \"\$(realpath -- \"\$0\")\")/python3\" \"\$0\" \"\$@\"" "' '''" "$body" >"$script"
}

python=$(base_python)
say "building the wheel"
"${pip[@]}" wheel --no-build-isolation --no-deps --wheel-dir "$work" .

say "installing into $destdir/opt/mape-k with $("$python" -V)"
fresh=$destdir/opt/.mape-k.new
mkdir -p "$destdir/opt"
rm -rf -- "$fresh"
"$python" -m venv --without-pip "$fresh"
"${pip[@]}" --python "$fresh/bin/python3" install --no-compile --require-hashes -r requirements.lock
"${pip[@]}" --python "$fresh/bin/python3" install --no-compile --no-deps "$work"/*.whl
find "$fresh/bin" -type f ! -name mape-k -delete
relocate "$fresh/bin/mape-k"
sed -i '/^command = /d' "$fresh/pyvenv.cfg"
"$fresh/bin/python3" -m compileall -qq -s "$fresh" -p /opt/mape-k "$fresh/lib"
rm -rf -- "$destdir/opt/mape-k"
mv -- "$fresh" "$destdir/opt/mape-k"

install -d -m 0755 "$destdir/etc/mape-k" "$destdir/etc/mape-k/packs" "$destdir/usr/lib/systemd/system"
install -d -m 0700 "$destdir/var/lib/mape-k"
if [[ -e $destdir/etc/mape-k/mape-k.env ]]; then
  say "keeping $destdir/etc/mape-k/mape-k.env as it is; what this version ships is beside it, as mape-k.env.dist"
  install -m 0644 config/mape-k.env "$destdir/etc/mape-k/mape-k.env.dist"
else
  install -m 0600 config/mape-k.env "$destdir/etc/mape-k/mape-k.env"
fi
install -m 0644 systemd/mape-k.service "$destdir/usr/lib/systemd/system/mape-k.service"

say "done. Edit /etc/mape-k/mape-k.env, then: systemctl daemon-reload && systemctl enable --now mape-k"
