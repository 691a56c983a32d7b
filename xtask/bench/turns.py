"""How a timed program takes turns: one run for each line on stdin, one JSON line back."""

import json
import sys
import time


def take_turns(run):
    """Says that it is ready, then calls `run` once for each line and prints its seconds."""
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
