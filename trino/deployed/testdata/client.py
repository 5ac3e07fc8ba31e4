"""What a notebook or Superset does first: it lists what is there, and asks with prepared queries.

Arguments: the address, a user, the password, a token of the same user, the authority's certificate, a time, a user of the
lake, and one or more tags. It prints a fact a line, its fields apart by tabs, as Client.java does.
"""

import re
import sys
from datetime import datetime
from urllib.parse import urlsplit

import sqlalchemy
from trino.auth import BasicAuthentication, JWTAuthentication
from trino.dbapi import connect

address, user, password, token, authority, time, someone, *tags = sys.argv[1:]
server = urlsplit(address)


def printed(kind, rows):
    for row in rows:
        print(kind, *("null" if field is None else field for field in row), sep="\t")


def connection(login):
    return connect(host=server.hostname, port=server.port, http_scheme="https", verify=authority, user=user, auth=login,
                   catalog="versionlake", schema="views", timezone="UTC")


with connection(BasicAuthentication(user, password)) as trino:
    cursor = trino.cursor()
    printed("catalog", cursor.execute("SHOW CATALOGS").fetchall())
    printed("comment", cursor.execute(
        "SELECT table_name, comment FROM system.metadata.table_comments WHERE catalog_name = ? AND schema_name = ?",
        ("versionlake", "views")).fetchall())

with connection(JWTAuthentication(token)) as trino:
    moment = datetime.fromisoformat(time)
    printed("version", trino.cursor().execute(
        "SELECT user_id, service, device, version FROM version_intervals WHERE user_kind = ? AND valid_from <= ? AND ? < valid_until",
        ("user", moment, moment)).fetchall())
    for tag in tags:
        if not re.fullmatch("hour-[0-9T.-]+", tag):  # Trino takes no parameter for a tag
            raise ValueError(tag)
        printed(tag, trino.cursor().execute(
            f"SELECT h.service, h.device, h.version, CAST(h.valid_to AS varchar) FROM gold.users FOR VERSION AS OF '{tag}' AS u"
            " CROSS JOIN UNNEST(u.history) AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade)"
            " WHERE u.user_id = ? AND h.valid_from <= ? AND (h.valid_to IS NULL OR ? < h.valid_to)",
            (someone, moment, moment)).fetchall())

# SQLAlchemy is how Superset and pandas reach it.
engine = sqlalchemy.create_engine(
    sqlalchemy.URL.create("trino", user, password, server.hostname, server.port, "versionlake/views"),
    connect_args={"http_scheme": "https", "verify": authority})
lists = sqlalchemy.inspect(engine)
printed("schema", ((name,) for name in lists.get_schema_names() if name != "information_schema"))
for view in lists.get_view_names():
    printed("table", [(view, "VIEW")])
    printed("column", ((view, column["name"], column["comment"]) for column in lists.get_columns(view)))
