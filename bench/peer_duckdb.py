"""The same work in DuckDB: files of Parquet in three folders, without a table format, commits, a ledger or checks.

  peer_duckdb.py SOURCE OUT
"""

import os

import duckdb

from hours import EVENTS, arguments, each_hour

SOURCE, OUT = arguments()
PACKED = "(format parquet, compression zstd)"
SESSION = duckdb.connect()
SESSION.execute(f"set threads = {len(os.sched_getaffinity(0))}")


def body(key):
    return f"nullif(regexp_extract(body, '''{key}'': ''?([^'',}}]*)', 1), '')"


def hour(number, folder):
    bronze, silver = (f"{OUT}/{layer}/{number:05}.parquet" for layer in ("bronze", "silver"))
    columns = ", ".join(f"'{name}': 'varchar'" for name in
                        ("category", "time", "service", "session", "transaction", "body"))
    SESSION.execute(f"""
        copy (select category, strptime(time, '%Y-%m-%dT%H:%M:%S.%g%z') as time, service, session,
            cast(transaction as bigint) as transaction, body, filename as file, {body("Name")} as event
          from read_csv('{folder}/*', delim = '\t', quote = '', escape = '', header = false, filename = true,
            auto_detect = false, columns = {{{columns}}})) to '{bronze}' {PACKED}""")
    SESSION.execute(f"""
        copy (select session, service, event, time, {body("PlayerId")} as user, {body("Version")} as version,
            {body("Device")} as device
          from '{bronze}' where event in {tuple(EVENTS)}) to '{silver}' {PACKED}""")
    SESSION.execute(f"""
        copy (
          with events as (from '{OUT}/silver/*.parquet'),
          users as (select session, any_value(user) as user from events where event = 'Login' group by session),
          seen as (
            select coalesce(users.user, 'session:' || session) as user, service, device, time, version
            from events left join users using (session) where event = 'SoftwareVersion'),
          before as (
            select *, lag(version) over (partition by user, service, device order by time) as last from seen),
          numbered as (
            select *, sum(if(last is distinct from version, 1, 0)) over (
              partition by user, service, device order by time rows unbounded preceding) as interval from before),
          intervals as (
            select user, service, device, version, min(time) as valid_from, max(time) as last_seen_at,
              count(*) as sightings
            from numbered group by user, service, device, version, interval)
          select user, list({{'service': service, 'device': device, 'version': version, 'valid_from': valid_from,
            'last_seen_at': last_seen_at, 'sightings': sightings}} order by valid_from) as history
          from intervals group by user) to '{OUT}/gold/users.parquet.new' {PACKED}""")
    os.replace(f"{OUT}/gold/users.parquet.new", f"{OUT}/gold/users.parquet")


for layer in ("bronze", "silver", "gold"):
    os.makedirs(f"{OUT}/{layer}")
each_hour(SOURCE, hour)
