#!/usr/bin/env bash
# Makes the virtual environments under the checkout; does nothing when they already match the locks.
# usage: setup.sh main|triton|bench|prefect|label_studio; setup.sh lock after an edit of requirements
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3.11}
command -v "$PYTHON" >/dev/null || PYTHON=python3
"$PYTHON" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
  echo "Actverse needs Python 3.11; '$PYTHON' is $("$PYTHON" -V). Install it (apt-get install python3.11 python3.11-venv) or set PYTHON=." >&2
  exit 1
}

uv() { # the installer itself lives in a venv of its own, so that nothing outside the checkout changes
  [ -x .venv-uv/bin/uv ] || { "$PYTHON" -m venv .venv-uv && .venv-uv/bin/python -m pip install -q uv; }
  .venv-uv/bin/uv "$@"
}

make_venv() { # FOLDER LOCKFILE [UV_OPTION...]
  local stamp="$1/.lock.sha256" want
  want=$(sha256sum <"$2")
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && return 0
  echo "Setting up $1 from $2 (once; later runs skip this) ..."
  [ -x "$1/bin/python" ] || uv venv -q --python "$PYTHON" "$1"
  VIRTUAL_ENV="$1" uv pip sync -q "${@:3}" "$2"
  echo "$want" >"$stamp"
}

make_command() { # .venv/bin/actverse, which works from any folder
  echo "$PWD" >.venv/lib/python3.11/site-packages/actverse.pth
  cat >.venv/bin/actverse <<'SHIM'
#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -P -m deploy.cli "$@"
SHIM
  chmod +x .venv/bin/actverse
}

case ${1:-main} in
main)
  make_venv .venv deploy/requirements/lock.txt --compile-bytecode
  make_command
  ;;
triton) make_venv .venv-triton deploy/requirements/triton.lock.txt --compile-bytecode ;;
bench) make_venv .venv-bench deploy/requirements/bench.lock.txt --compile-bytecode ;;
prefect) make_venv .venv-prefect deploy/requirements/prefect.lock.txt --compile-bytecode ;;
label_studio) # eleven thousand files, of which it loads a part: those are compiled when they are
  make_venv .venv-label-studio deploy/requirements/label_studio.lock.txt ;;
lock) # what is locked already stays as it is, unless a requirement speaks against it
  uv pip compile -q --python-version 3.11 --no-header --no-annotate --generate-hashes \
    --override deploy/requirements/overrides.in --output-file deploy/requirements/lock.txt \
    deploy/requirements/{base,vision,dev}.in services/*/requirements.txt ;;
*) echo "usage: $0 main|triton|bench|prefect|label_studio|lock" >&2; exit 2 ;;
esac
