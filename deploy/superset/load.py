"""Brings the dashboards of the folder bundle/ into Superset, in the place of older ones of ours, and lets people see them.

Run it in Superset's Python, with its settings, after `superset db upgrade` and `superset init`. Trino need not run.

VERSIONLAKE_TRINO_URI     how Superset reaches Trino: trino://USER:PASSWORD@HOST:PORT/versionlake/views. What is not set stays
                          as it is, or is that of deploy/compose.
SUPERSET_ADMIN_PASSWORD   makes the user admin, who may all, where there is none.
SUPERSET_VIEWER           NAME:PASSWORD makes a user who may look at dashboards, where there is none.
"""

import os
import pathlib

import yaml
from superset.app import create_app

DATABASE = "databases/versionlake.yaml"
# With the role Gamma, which may look at charts, this one may look at ours.
READER = "versionlake"


def contents():
    folder = pathlib.Path(__file__).resolve().parent / "bundle"
    files = {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.yaml"))}
    if not files:
        raise SystemExit(f"{folder} holds no bundle")
    return files


def address(text, existing):
    """The bundle's database with the address that it shall have."""
    database = yaml.safe_load(text)
    if uri := os.environ.get("VERSIONLAKE_TRINO_URI"):
        database["sqlalchemy_uri"] = uri
        if uri.startswith("trino://") and os.environ.get("VERSIONLAKE_TRINO_TLS"):
            database["extra"]["engine_params"]["connect_args"]["http_scheme"] = "https"
    elif existing:
        database["sqlalchemy_uri"], database["extra"] = existing.sqlalchemy_uri, existing.get_extra()
    return yaml.safe_dump(database)


def main():
    app = create_app()
    with app.app_context():
        from superset import db, security_manager
        from superset.commands.importers.v1.assets import ImportAssetsCommand
        from superset.models.core import Database
        from superset.utils.core import override_user

        def user(name, password, *roles):
            if security_manager.find_user(name):
                return
            made = security_manager.add_user(
                name, name, name, f"{name}@localhost", [security_manager.find_role(role) for role in roles], password)
            if not made:
                raise SystemExit(f"Superset does not make the user {name}")

        if password := os.environ.get("SUPERSET_ADMIN_PASSWORD"):
            user("admin", password, "Admin")
        admin = security_manager.find_user("admin")
        if not admin:
            raise SystemExit("Superset has no user admin: set SUPERSET_ADMIN_PASSWORD once")

        files = contents()
        uuid = yaml.safe_load(files[DATABASE])["uuid"]
        files[DATABASE] = address(files[DATABASE], db.session.query(Database).filter_by(uuid=uuid).one_or_none())
        with override_user(admin):
            ImportAssetsCommand(files).run()

        database = db.session.query(Database).filter_by(uuid=uuid).one()
        reader = security_manager.add_role(READER)
        security_manager.add_permission_role(
            reader, security_manager.add_permission_view_menu("database_access", database.perm))
        db.session.commit()
        name, _, password = os.environ.get("SUPERSET_VIEWER", "").partition(":")
        if name:
            user(name, password, "Gamma", READER)
    print(f"{sum(path.startswith('dashboards/') for path in files)} dashboards loaded")


main()
