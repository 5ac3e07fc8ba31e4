#!/usr/bin/env python3
"""Times a week of hours as one range: how many a minute, day by day, what each kind of step takes, and whether verify is clean.

  bench/week.py                                  168 hours of 200,000 lines: 6 GB, some minutes
  bench/week.py --hours 24 --lines 2000 --users 200
"""

import argparse
import collections
import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import bench

# What the steps are for; another one counts as what remains.
WORK = {
    "list": ["SpanHours", "SurveyHours", "ListHour"],
    "parse": ["ParseChunk", "StageHours"],
    "silver": ["BuildSilver", "FindSessions"],
    "gold": ["PlanUsers", "MergeUsers", "RebuildUsers", "ShowUsers"],
    "gold.events and daily aggregates": ["FollowEvents", "PlanDaily", "CountDates"],
    "commits": ["CommitHour", "CommitHours", "CommitUsers", "CommitDaily"],
}


def scraped(address):
    """Seconds in steps so far, by step: steps run side by side, so that they exceed those of a clock."""
    page = urllib.request.urlopen(f"http://{address}/metrics", timeout=5).read().decode()
    seconds = collections.Counter()
    for line in page.splitlines():
        if line.startswith("versionlake_step_duration_seconds_sum"):
            seconds[re.search(r'step="([^"]+)"', line)[1]] += float(line.rsplit(" ", 1)[1])
    return seconds


def processor(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):  # each knows only those that it began itself
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            yield from map(int, file.read().split())


def run(source, out):
    """The hours as one range of a server that is up. What a step or a process took is told once all has ended."""
    hours, common = bench.hours_of(source), ["--dir", out, "--source", source]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{}".format(free.getsockname()[1])
    meter = bench.Meter()
    server = bench.started(meter, out, "--metrics-addr", address, *common)
    begun = time.monotonic()
    meter.run(bench.PROGRAM, "reprocess", "--from", hours[0], "--to", bench.after(hours[-1]), *common)
    seconds = time.monotonic() - begun
    meter.run(bench.PROGRAM, "daily", "--refresh", "--dir", out)
    steps, worker = scraped(address), processor(server.pid)
    temporal = sum(processor(child) for child in children(server.pid))
    server.send_signal(signal.SIGINT)
    meter.end(server)
    return seconds, steps, worker, temporal, meter.memory


def days_of(out):
    """Seconds from the end of the day before to the end of each day's last hour; of the first, from its first hour."""
    ledger = bench.Meter().run(bench.PROGRAM, "status", "--hours", "--output", "json", "--dir", out)
    ended, begun = {}, None
    for line in ledger.splitlines():
        hour = json.loads(line)
        start, end = (datetime.datetime.fromisoformat(hour[at].replace("Z", "+00:00")).timestamp()
                      for at in ("started_at", "finished_at"))
        begun = min(begun or start, start)
        ended[hour["hour"][:10]] = max(ended.get(hour["hour"][:10], end), end)
    took = {}
    for day in sorted(ended):
        took[day], begun = ended[day] - begun, ended[day]
    return took


def page(options, out, seconds, steps, worker, temporal, memory):
    spent = {work: sum(steps[step] for step in names) for work, names in WORK.items()}
    spent["what remains"] = sum(steps.values()) - sum(spent.values())
    in_steps = sum(spent.values())
    return "\n".join([
        bench.WEEK,
        f"{options.hours} hours of {options.lines} lines as a range: {seconds:.0f} s, {options.hours / seconds * 60:.0f} hours a minute, "
        f"{(worker + temporal) / options.hours:.2f} CPU s an hour, of which Temporal's server {temporal / (worker + temporal):.0%}; "
        f"peak {memory / 1e6:.0f} MB; the machine's load at the end was {os.getloadavg()[0]:.1f}.", "",
        "| work | seconds in steps | share |", "|---|---|---|",
        *(f"| {work} | {took:.1f} | {took / in_steps:.0%} |" for work, took in spent.items()), "",
        "| day | s |", "|---|---|", *(f"| {day} | {took:.1f} |" for day, took in days_of(out).items()), ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, default in ("--hours", 168), ("--lines", 200_000), ("--users", 20_000):
        parser.add_argument(flag, type=int, default=default)
    parser.add_argument("--source", help="a folder of hours; by default they are made")
    parser.add_argument("--program", default=bench.PROGRAM, help="versionlake, bin/versionlake by default")
    parser.add_argument("--into", help="the page whose last part this becomes; by default it is printed")
    options = parser.parse_args()
    bench.PROGRAM = os.path.abspath(options.program)
    made, out = tempfile.mkdtemp(prefix="week-source-"), tempfile.mkdtemp(prefix="week-")
    try:
        source = os.path.abspath(options.source or made)
        if not options.source:
            shape = [f"--{name}={getattr(options, name)}" for name in ("hours", "lines", "users")]
            subprocess.run([bench.PROGRAM, "generate", made, "--benchmark", *shape], check=True, stdout=subprocess.DEVNULL)
        text = page(options, out, *run(source, out))
        subprocess.run([bench.PROGRAM, "verify", "--dir", out], check=True)
        bench.write(options.into, week=text)
    finally:
        shutil.rmtree(made)
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
