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
# Superset's own command takes the password as an argument, where other users of the machine could read it
"$bin/python" - "$SUPERSET_HOME/password" <<'PYTHON'
import sys
from pathlib import Path

from superset.app import create_app

app = create_app()
with app.app_context():
    accounts = app.appbuilder.sm
    if not accounts.find_user("admin"):
        password = Path(sys.argv[1]).read_text().strip()
        accounts.add_user(
            "admin", "Warehouse", "Admin", "admin@localhost", accounts.find_role("Admin"), password=password
        )
PYTHON
.venv/bin/python -m serving.superset.bundle "$SUPERSET_HOME/bundle.zip" "${1:-analyst}"
"$bin/superset" import-dashboards --path "$SUPERSET_HOME/bundle.zip" --username admin

echo "Superset on http://127.0.0.1:8088/superset/dashboard/company/ as admin, password in $SUPERSET_HOME/password"
exec "$bin/gunicorn" --bind 127.0.0.1:8088 --workers 1 --threads 8 --timeout 60 "superset.app:create_app()"
