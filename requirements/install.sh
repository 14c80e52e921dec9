#!/bin/sh
# Make .venv hold what one lock names: `sh requirements/install.sh dev` (or demo). Needs nothing but a Python with venv.
# Every download is checked against the hashes of the lock. Run by the Makefile, which knows when there is nothing to do.
set -eu
cd "$(dirname "$0")/.."
lock=requirements/$1.lock
started=$(date +%s)

fit='import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))'
for python in ${PYTHON:-} python3 python3.13 python3.12 python3.11 none; do
  "$python" -c "$fit" >/dev/null 2>&1 && break
done
if [ "$python" = none ]; then
  echo "Tuneplane needs Python 3.11 or newer with its venv module (Debian, Ubuntu: apt install python3-venv); PYTHON=... names one." >&2
  exit 1
fi

# uv installs a whole environment in the time pip needs for its first few packages; it comes from its own small lock.
if ! [ .tools/.installed -nt requirements/tools.lock ]; then
  "$python" -m venv --clear .tools
  .tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/tools.lock
  touch .tools/.installed
fi

[ -x .venv/bin/python ] || .tools/bin/uv venv --quiet --python .tools/bin/python .venv
# An activated environment must not attract the packages: the target is always named.
install() { .tools/bin/uv pip install --quiet --python .venv/bin/python "$@"; }
install --require-hashes --requirement "$lock"
install --no-deps --no-build-isolation --editable .
touch ".venv/.$1"
echo "installed in $(($(date +%s) - started)) s"
