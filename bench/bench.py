#!/usr/bin/env python3
"""Times versionlake beside other programs that do the same work on the same files, in turn, and compares what they find.

  make bench                    six hours of 2 million lines, three rounds, into docs/BENCHMARKS.md
  bench/bench.py --tiny         two hours of 2,000 lines, once, printed: whether it works
  bench/bench.py --hours 24 --rounds 1 --peers polars

Every round runs each program on an empty folder; rounds alternate the order. A machine is noisy: believe the ratios,
which are made within a round, and the CPU seconds, which are of a program and all that it starts, before the seconds.
"""

import argparse
import collections
import ctypes
import glob
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TOOLS, PROGRAM = os.path.join(ROOT, ".tools"), os.path.join(ROOT, "bin", "versionlake")  # unless flags say otherwise
PEERS = ("polars", "duckdb", "spark")
BARE = ["--without", "events,daily"]

Taken = collections.namedtuple("Taken", "seconds cpu memory bronze silver histories")


def environment():
    engines = os.path.join(TOOLS, "engines")
    return dict(
        os.environ, PATH=os.path.join(TOOLS, "bin") + os.pathsep + os.environ["PATH"],
        PYTHONPATH=os.pathsep.join([os.path.join(engines, "python"), os.path.join(engines, "duckdb")]),
        SPARK_JARS_OF_ICEBERG=os.path.join(engines, "jars"), PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1",
        PYSPARK_SUBMIT_ARGS="--conf spark.ui.enabled=false pyspark-shell")


class Meter:
    """Runs programs and sums what they, and all that they start, use."""

    def __init__(self):
        self.cpu, self.memory = 0.0, 0

    def start(self, *command):
        said, failed = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        process = subprocess.Popen(command, env=environment(), stdout=said, stderr=failed)
        process.said, process.failed = said, failed
        return process

    def end(self, process):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu += used.ru_utime + used.ru_stime
        self.memory = max(self.memory, used.ru_maxrss << 10)
        if process.returncode:
            process.failed.seek(0)
            sys.exit(f"{' '.join(process.args)} ended with {process.returncode}:\n{process.failed.read()[-2000:]}")
        process.said.seek(0)
        return process.said.read()

    def run(self, *command):
        return self.end(self.start(*command))

    def orphans(self):
        """Counts what a program left running, as PySpark does its Java."""
        while True:
            try:
                _, _, used = os.wait4(-1, 0)
            except ChildProcessError:
                return
            self.cpu += used.ru_utime + used.ru_stime
            self.memory = max(self.memory, used.ru_maxrss << 10)


def hours_of(source):
    return ["{}-{}-{}T{}".format(*folder.split("/")[-4:]) for folder in sorted(glob.glob(f"{source}/*/*/*/*"))]


def size(folder):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


def digest(*command, stdin=None):
    read = subprocess.run([sys.executable, os.path.join(HERE, "histories.py"), *command], env=environment(),
                          stdin=stdin, stdout=subprocess.PIPE, check=True)
    return json.loads(read.stdout)


def of_lake(out, seconds, meter):
    asked = subprocess.Popen([PROGRAM, "history", "--all", "--output", "json", "--dir", out], stdout=subprocess.PIPE)
    histories = digest("-", stdin=asked.stdout)
    asked.wait()
    warehouse = os.path.join(out, "warehouse")
    return Taken(seconds, meter.cpu, meter.memory, size(f"{warehouse}/bronze"), size(f"{warehouse}/silver"), histories)


def started(meter, out, *flags):
    """A server with a worker, that is up."""
    server = meter.start(PROGRAM, "dev", "--log-level", "error", *flags)
    while not os.path.exists(os.path.join(out, "dev.json")):
        if server.poll() is not None:
            server.failed.seek(0)
            sys.exit(f"versionlake dev did not start: {server.failed.read()[-2000:]}")
        time.sleep(0.05)
    return server


def hour_by_hour(*flags):
    """As a schedule does it: the server and a worker are up, and each hour is asked for."""

    def run(source, out):
        meter, common = Meter(), ["--dir", out, "--source", source, *flags]
        server = started(meter, out, *common)
        seconds = []
        for hour in hours_of(source):
            begun = time.monotonic()
            meter.run(PROGRAM, "ingest", hour, *common)
            seconds.append(time.monotonic() - begun)
        if not flags:
            meter.run(PROGRAM, "daily", "--refresh", "--dir", out)  # what follows the hours is counted, too
        server.send_signal(signal.SIGINT)
        meter.end(server)
        return of_lake(out, seconds, meter)

    return run


def as_range(*flags):
    """As a backfill: one command, with a server of its own, whose start counts."""

    def run(source, out):
        meter, hours = Meter(), hours_of(source)
        begun = time.monotonic()
        meter.run(PROGRAM, "reprocess", "--from", hours[0], "--to", after(hours[-1]), "--dir", out, "--source", source, *flags)
        return of_lake(out, [time.monotonic() - begun], meter)

    return run


def after(hour):
    import datetime

    return (datetime.datetime.fromisoformat(hour + ":00") + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H")


def peer(name):
    def run(source, out):
        meter = Meter()
        said = meter.run(sys.executable, os.path.join(HERE, f"peer_{name}.py"), source, out)
        meter.orphans()
        seconds = [json.loads(line)["seconds"] for line in said.splitlines() if line.startswith("{")]
        return Taken(seconds, meter.cpu, meter.memory, size(f"{out}/bronze") or size(f"{out}/warehouse/db/bronze"),
                     size(f"{out}/silver") or size(f"{out}/warehouse/db/silver"), digest(out))

    return run


def programs(peers):
    all_of_them = {
        "versionlake, hour by hour": hour_by_hour(*BARE), "versionlake, hour by hour, all tables": hour_by_hour(),
        "versionlake, a range": as_range(*BARE), "versionlake, a range, all tables": as_range(),
    }
    return all_of_them | {name: peer(name) for name in peers}


def measure(source, peers, rounds):
    taken = {name: [] for name in programs(peers)}
    for number in range(rounds):
        order = list(programs(peers).items())
        for name, run in order if number % 2 == 0 else reversed(order):
            out = tempfile.mkdtemp(prefix="bench-")
            try:
                result = run(source, out)
            finally:
                shutil.rmtree(out, ignore_errors=True)
            taken[name].append(result)
            print(json.dumps({"program": name} | result._asdict()), file=sys.stderr, flush=True)
    found = {name: {result.histories["digest"] for result in results} for name, results in taken.items()}
    if len(set().union(*found.values())) != 1:
        sys.exit(f"the histories differ: {found}")
    return taken


def table(taken, hours):
    """Per program: medians, the spread of the seconds, and what its hours cost."""
    def middle(name, of):
        return statistics.median(of(result) for result in taken[name])

    lines = ["| program | s an hour | from, to | last hour | CPU s an hour | peak MB | bronze MB | silver MB |",
             "|---|---|---|---|---|---|---|---|"]
    for name, results in taken.items():
        totals = sorted(sum(result.seconds) / hours for result in results)
        last = middle(name, lambda result: result.seconds[-1])
        lines.append(
            f"| {name} | {statistics.median(totals):.2f} | {totals[0]:.2f}, {totals[-1]:.2f} | "
            f"{f'{last:.2f}' if len(results[0].seconds) > 1 else ''} | "
            f"{middle(name, lambda result: result.cpu / hours):.2f} | "
            + " | ".join(f"{middle(name, lambda result, of=of: getattr(result, of)) / 1e6:.0f}"
                         for of in ("memory", "bronze", "silver")) + " |")
    return lines


def ratios(taken, peers):
    lines = ["| versionlake's time through that of | " + " | ".join(peers) + " |", "|---|" + "---|" * len(peers)]
    for name in taken:
        if not name.startswith("versionlake"):
            continue
        shares = [statistics.median(sum(ours.seconds) / sum(theirs.seconds)
                                    for ours, theirs in zip(taken[name], taken[each])) for each in peers]
        lines.append(f"| {name[len('versionlake, '):]} | " + " | ".join(f"{share:.2f}" for share in shares) + " |")
    return lines


def page(options, source, taken):
    hours = len(hours_of(source))
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    intervals = next(iter(taken.values()))[0].histories["intervals"]
    load = os.getloadavg()[0]
    return "\n".join([
        "# Benchmarks", "",
        "Written by `make bench`. versionlake takes hours of telemetry into its lake, beside programs that do the same work on the",
        "same files, in turn. Polars and DuckDB write plain files of Parquet: no table format, no commits, no ledger, nothing that is",
        "late or comes again. " + ("PySpark keeps Iceberg tables and merges. " if "spark" in options.peers else "PySpark was left out. ")
        + "All of them end in the same histories, or this page is not written.",
        "A range is one command with a Temporal server of its own, start included; \"all tables\" is with `gold.events` and the daily",
        "aggregates, which the peers lack. CPU seconds are of all processes. What is below 1 in the second table is time won.", "",
        f"{hours} hours, {size(source) / hours / 1e6:.0f} MB each, {intervals} intervals of versions; "
        f"{os.cpu_count()} processors ({platform.machine()}), median of {options.rounds} rounds, "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {commit.stdout.strip()}; the machine's load at the end was {load:.1f}.", "",
        *table(taken, hours), "", *ratios(taken, options.peers), "", ""])


WEEK = "## A week as a range\n"  # what bench/week.py writes, below all else


def write(into, text="", week=""):
    """Puts a part of the page in the place of what it was, if it was there, and leaves the other."""
    if not into:
        print(text + week)
        return
    with open(into, "a+") as file:
        file.seek(0)
        before, mark, after = file.read().partition(WEEK)
        file.truncate(0)
        file.write((text or before) + (week or mark + after))


def main():
    global PROGRAM, TOOLS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--source", help="a folder of hours; by default they are made")
    parser.add_argument("--peers", type=lambda text: tuple(text.split(",")), default=PEERS)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--program", default=PROGRAM, help="versionlake, bin/versionlake by default")
    parser.add_argument("--tools", default=TOOLS, help="what tools/install.sh fills, .tools by default")
    parser.add_argument("--into", help="a file for the page; by default it is printed")
    options = parser.parse_args()
    PROGRAM, TOOLS = os.path.abspath(options.program), os.path.abspath(options.tools)
    become_parent_of_orphans = 36  # PR_SET_CHILD_SUBREAPER of Linux
    ctypes.CDLL(None).prctl(become_parent_of_orphans, 1)
    if options.tiny:
        options.hours, options.rounds = 2, 1
    made = tempfile.mkdtemp(prefix="bench-source-")
    try:
        source = os.path.abspath(options.source or made)
        if not options.source:
            shape = ["--lines", "2000", "--users", "200"] if options.tiny else []
            subprocess.run([PROGRAM, "generate", made, "--benchmark", "--hours", str(options.hours), *shape],
                           check=True, stdout=subprocess.DEVNULL)
        text = page(options, source, measure(source, options.peers, options.rounds))
    finally:
        shutil.rmtree(made)
    write(options.into, text)


if __name__ == "__main__":
    main()
