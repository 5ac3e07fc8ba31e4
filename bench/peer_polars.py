"""The same work in Polars: files of Parquet in three folders, without a table format, commits, a ledger or checks.

  peer_polars.py SOURCE OUT

Bronze is every line, silver the events that matter, gold the histories of all users, made anew with each hour.
"""

import os

os.environ.setdefault("POLARS_MAX_THREADS", str(len(os.sched_getaffinity(0))))
import polars as pl  # noqa: E402, its threads are set first

from hours import EVENTS, arguments, each_hour  # noqa: E402

SOURCE, OUT = arguments()
PACKED = {"compression": "zstd", "compression_level": 1}
COLUMNS = ["category", "time", "service", "session", "transaction", "body"]
INSTALLATION = ["user", "service", "device"]


def body(key):
    return pl.col("body").str.extract(rf"'{key}': '?([^',}}]*)", 1)


def bronze(folder, path):
    lines = pl.scan_csv(f"{folder}/*", separator="\t", quote_char=None, has_header=False, new_columns=COLUMNS,
                        schema_overrides=[pl.String] * len(COLUMNS), include_file_paths="file")
    lines.with_columns(
        pl.col("transaction").cast(pl.Int64),
        pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3f%z", time_unit="us"),
        body("Name").alias("event"),
    ).sink_parquet(path, **PACKED)


def silver(read, path):
    pl.scan_parquet(read).filter(pl.col("event").is_in(EVENTS)).select(
        "session", "service", "event", "time", body("PlayerId").alias("user"), body("Version").alias("version"),
        body("Device").alias("device"),
    ).collect().write_parquet(path, **PACKED)


def gold(read, path):
    events = pl.scan_parquet(read)
    users = events.filter(pl.col("event") == "Login").group_by("session").agg(pl.col("user").first())
    seen = events.filter(pl.col("event") == "SoftwareVersion").drop("user").join(users, on="session", how="left")
    seen = seen.with_columns(pl.coalesce("user", pl.concat_str(pl.lit("session:"), "session")).alias("user"))
    seen = seen.select(*INSTALLATION, "time", "version").sort(*INSTALLATION, "time")
    began = (pl.col("version") != pl.col("version").shift()) | (
        pl.struct(INSTALLATION) != pl.struct(INSTALLATION).shift())
    intervals = seen.with_columns(began.fill_null(True).cum_sum().alias("interval")).group_by(
        "interval", maintain_order=True).agg(
        *[pl.col(column).first() for column in [*INSTALLATION, "version"]], pl.col("time").first().alias("valid_from"),
        pl.col("time").last().alias("last_seen_at"), pl.len().alias("sightings"))
    intervals.sort("user", "valid_from").group_by("user", maintain_order=True).agg(
        pl.struct("service", "device", "version", "valid_from", "last_seen_at", "sightings").alias("history"),
    ).collect().write_parquet(path + ".new", **PACKED)
    os.replace(path + ".new", path)


def hour(number, folder):
    bronze(folder, f"{OUT}/bronze/{number:05}.parquet")
    silver(f"{OUT}/bronze/{number:05}.parquet", f"{OUT}/silver/{number:05}.parquet")
    gold(f"{OUT}/silver/*.parquet", f"{OUT}/gold/users.parquet")


for layer in ("bronze", "silver", "gold"):
    os.makedirs(f"{OUT}/{layer}")
each_hour(SOURCE, hour)
