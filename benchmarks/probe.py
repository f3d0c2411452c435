"""Run a command; print its seconds, its processor seconds and peak memory in bytes as JSON.

It ends as the command ended.

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
used = resource.getrusage(resource.RUSAGE_CHILDREN)
work = used.ru_utime + used.ru_stime
sys.stdout.write(json.dumps({"seconds": seconds, "peak": used.ru_maxrss * unit, "work": work}))
sys.exit(code)
