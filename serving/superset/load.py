"""Put the bundle into Superset, over what an earlier one left, and make its user admin.

Reads: the ZIP file of `serving/superset/bundle.py`, a file with admin's password. Writes: Superset's database.
Run: `serving/superset/up.sh`, in Superset's own environment.
"""

from __future__ import annotations

import sys
from pathlib import Path
from zipfile import ZipFile


def load(bundle: Path, password: Path) -> None:
    """Make the user, and import connection, datasets, charts and dashboards."""
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        # these can be imported within an app alone
        from superset.commands.importers.v1.assets import ImportAssetsCommand
        from superset.commands.importers.v1.utils import get_contents_from_bundle
        from superset.utils.core import override_user

        accounts = app.appbuilder.sm
        if not accounts.find_user("admin"):
            # by this road, since Superset's own command takes the password as an argument, for all to read
            accounts.add_user(
                "admin", "Warehouse", "Admin", "admin@localhost", accounts.find_role("Admin"),
                password=password.read_text().strip(),
            )  # fmt: skip
        with override_user(accounts.find_user("admin")), ZipFile(bundle) as archive:
            ImportAssetsCommand(get_contents_from_bundle(archive)).run()


if __name__ == "__main__":
    load(Path(sys.argv[1]), Path(sys.argv[2]))
