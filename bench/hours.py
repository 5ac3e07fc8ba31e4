"""What the peers share: the hours of a source, and how one says how long each took."""

import glob
import json
import os
import shutil
import sys
import time

EVENTS = ["Login", "SoftwareVersion", "DeviceInfo", "Notification"]


def arguments():
    """The source and an empty folder to write to."""
    source, out = sys.argv[1:3]
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    return source, out


def each_hour(source, work):
    """Does the hours one after the other, and tells the seconds of each."""
    folders = sorted(each for each in glob.glob(f"{source}/*/*/*/*") if os.path.isdir(each))
    for number, folder in enumerate(folders):
        begun = time.monotonic()
        work(number, folder)
        print(json.dumps({"hour": folder, "seconds": time.monotonic() - begun}), flush=True)
