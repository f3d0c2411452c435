"""Run a command; print its seconds and peak memory in bytes as JSON, and end as it ended.

A small interpreter of its own: a process starts with the peak of the one that it was forked from,
which for a program that holds PyTorch would hide the peak of most commands.
"""

import json
import resource
import subprocess
import sys
import time

began = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False).returncode
seconds = time.perf_counter() - began
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
sys.stdout.write(json.dumps({"seconds": seconds, "peak": peak}))
sys.exit(code)
