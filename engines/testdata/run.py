"""Runs programs of docs/ENGINES.md and writes what they found as JSON. Called by TestEngines, with a job as JSON on standard input:

path      folders of Python's packages, before those that are there
programs  texts; each is run by itself, in the order given
moments   [[user_id, microseconds since 1970], …], which an as-of join finds as the Arrow table "moments"
result    the name that a program leaves its answer under
times     how often each is run, for the shortest of the times that this takes, by the clock and of processors
output    file to write [{"rows": …, "seconds": …, "busy": …}, …] to: standard output belongs to the engines
"""
import json
import sys
import time

job = json.load(sys.stdin)
sys.path[:0] = job["path"]

import pyarrow
import pyarrow.compute


def arrow(found):
    """An engine's answer as an Arrow table."""
    for convert in ("to_arrow_table", "to_arrow", "toArrow"):
        if hasattr(found, convert):
            return getattr(found, convert)()
    return found if isinstance(found, pyarrow.Table) else pyarrow.Table.from_pandas(found, preserve_index=False)


def rows(table):
    """Rows with moments in microseconds: a moment of another precision or zone would not be what the lake holds."""
    for i, field in enumerate(table.schema):
        if pyarrow.types.is_timestamp(field.type):
            if field.type.unit != "us" or field.type.tz not in ("UTC", "Etc/UTC", "+00:00"):
                raise SystemExit(f"{field.name} is a {field.type}")
            table = table.set_column(i, field.name, table[i].cast(pyarrow.int64()))
    return table.to_pylist()


variables = {}
if job["moments"]:
    users, moments = zip(*job["moments"])
    variables["moments"] = pyarrow.table({"user_id": users, "at": pyarrow.array(moments, pyarrow.timestamp("us", "UTC"))})
answers = []
for program in job["programs"]:
    code, seconds, busy = compile(program, "docs/ENGINES.md", "exec"), [], []
    for _ in range(job["times"]):
        names = dict(variables)
        started, worked = time.perf_counter(), time.process_time()
        exec(code, names)
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - worked)
    answers.append({"rows": rows(arrow(names[job["result"]])), "seconds": min(seconds), "busy": min(busy)})
with open(job["output"], "w") as output:
    json.dump(answers, output)
