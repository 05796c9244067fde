#!/usr/bin/env bash
# Superset with the dashboard "Company" on http://127.0.0.1:8088, until Ctrl-C. Run in the project's folder.
#
# Everything it needs and keeps lies in SUPERSET_HOME (default ./.superset): its environment, its database, its secret,
# the password of its user admin. Two environments, because Superset needs an older SQLAlchemy than this project.
set -euo pipefail
umask 077

here=serving/superset
export SUPERSET_HOME="$(realpath -m "${SUPERSET_HOME:-.superset}")"
export SUPERSET_CONFIG_PATH="$(realpath $here/superset_config.py)"
export FLASK_APP=superset
bin="$SUPERSET_HOME/venv/bin"
mkdir -p "$SUPERSET_HOME"

if [ ! -x "$bin/superset" ]; then
    .venv/bin/uv venv --quiet --python .venv/bin/python "$SUPERSET_HOME/venv"
    .venv/bin/uv pip install --quiet --python "$bin/python" -r $here/requirements.txt
fi
[ -s "$SUPERSET_HOME/secret" ] || openssl rand -base64 42 > "$SUPERSET_HOME/secret"
[ -s "$SUPERSET_HOME/password" ] || openssl rand -hex 12 > "$SUPERSET_HOME/password"
export SUPERSET_SECRET_KEY="$(cat "$SUPERSET_HOME/secret")"

"$bin/superset" db upgrade
"$bin/superset" init
.venv/bin/python -m serving.superset.bundle "$SUPERSET_HOME/bundle.zip" "${1:-analyst}"
"$bin/python" $here/load.py "$SUPERSET_HOME/bundle.zip" "$SUPERSET_HOME/password"

echo "Superset on http://127.0.0.1:8088/superset/dashboard/company/ as admin, password in $SUPERSET_HOME/password"
exec "$bin/gunicorn" --bind 127.0.0.1:8088 --workers 1 --threads 8 --timeout 60 "superset.app:create_app()"
