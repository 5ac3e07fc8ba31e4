#!/usr/bin/env python3
"""Times hours of telemetry, whole path through Temporal, beside other programs on the same files, in turn.

  make build tools
  bin/versionlake generate /tmp/data --benchmark --hours 3
  bench/compare.py /tmp/data --peer 'duckdb=python3 duckdb_peer.py {data} {out}'

Every round runs versionlake and then each peer on an empty folder. A peer's command gets the data and a folder to write
to, and does all hours; versionlake ingests hour after hour, as its schedule would. Printed per program: the median wall
time of a round, its CPU seconds (the Temporal server's included), and the ratio to versionlake's round by round.
Machines are noisy: believe the ratios, not the seconds.
"""
import argparse, glob, json, os, resource, shlex, shutil, signal, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def hours(data):
    folders = sorted(d for d in glob.glob(f"{data}/*/*/*/*") if os.path.isdir(d))
    return ["{}-{}-{}T{}".format(*d.split("/")[-4:]) for d in folders]


def versionlake(data, out):
    """Seconds that each hour took, with the server and a worker already up, as they are in production."""
    program = os.path.join(ROOT, "bin", "versionlake")
    environment = dict(os.environ, PATH=os.path.join(ROOT, ".tools", "bin") + os.pathsep + os.environ["PATH"])
    common = ["--dir", out, "--source", data]
    quiet = {"env": environment, "stdout": subprocess.DEVNULL}
    server = subprocess.Popen([program, "dev", "--log-level", "error", *common], **quiet)
    try:
        while not os.path.exists(os.path.join(out, "dev.json")):
            if server.poll() is not None:
                sys.exit("versionlake dev did not start")
            time.sleep(0.05)
        taken = []
        for hour in hours(data):
            start = time.monotonic()
            subprocess.run([program, "ingest", hour, *common], check=True, stderr=subprocess.DEVNULL, **quiet)
            taken.append(time.monotonic() - start)
        return taken
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def peer(command):
    def run(data, out):
        start = time.monotonic()
        subprocess.run(shlex.split(command.format(data=data, out=out)), check=True, stdout=subprocess.DEVNULL)
        return [time.monotonic() - start]

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--peer", action="append", default=[], help="name=command, with {data} and {out}")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    programs = {"versionlake": versionlake}
    for each in options.peer:
        name, command = each.split("=", 1)
        programs[name] = peer(command)
    wall, used = {name: [] for name in programs}, {name: [] for name in programs}
    for _ in range(options.rounds):
        for name, run in programs.items():
            out = tempfile.mkdtemp(prefix=f"compare-{name}-")
            before = cpu()
            taken = run(os.path.abspath(options.data), out)
            wall[name].append(sum(taken))
            used[name].append(cpu() - before)
            shutil.rmtree(out)
            seconds = [round(t, 2) for t in taken]
            print(json.dumps({"program": name, "seconds": seconds, "cpu": round(used[name][-1], 1)}), flush=True)
    for name in programs:
        ratios = [mine / theirs for mine, theirs in zip(wall["versionlake"], wall[name])]
        print(f"{name:12} wall {statistics.median(wall[name]):6.2f} s  cpu {statistics.median(used[name]):6.1f} s  "
              f"versionlake/{name} {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
