"""A digest of histories that two programs share only if theirs are the same.

  histories.py OUT              of what a peer left below OUT/gold
  histories.py - < histories    of `versionlake history --all --output json`
"""

import datetime
import hashlib
import json
import sys


def micros(time):
    return round((time - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) / datetime.timedelta(microseconds=1))


def of_lake(lines):
    for line in lines:
        user = json.loads(line)
        for each in user["history"]:
            times = (micros(datetime.datetime.fromisoformat(each[name])) for name in ("valid_from", "last_seen_at"))
            yield user["user_id"], each["service"], each["device"], each["version"], *times, each["sightings"]


def of_peer(folder):
    import polars

    users = polars.read_parquet(f"{folder}/gold/*.parquet").explode("history").unnest("history")
    times = (polars.col(name).dt.epoch("us") for name in ("valid_from", "last_seen_at"))
    return users.select("user", "service", "device", "version", *times, "sightings").iter_rows()


intervals = of_lake(sys.stdin) if sys.argv[1] == "-" else of_peer(sys.argv[1])
intervals = sorted(repr(each) for each in intervals)
digest = hashlib.sha256("\n".join(intervals).encode()).hexdigest()
print(json.dumps({"intervals": len(intervals), "digest": digest}))
