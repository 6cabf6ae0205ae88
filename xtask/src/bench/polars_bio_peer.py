"""The polars-bio side of the benchmark: a filter and a count over the whole file, in a process already open.

Reads {"bam": path, "runs": n} from standard input and prints one JSON object.
"""

import json
import sys
import time

import polars as pl
import polars_bio as pb


def main():
    request = json.load(sys.stdin)
    seconds = []
    for _ in range(request["runs"]):
        began = time.perf_counter()
        flags = pl.col("flags")
        kept = (flags & 2 == 2) & (flags & 1796 == 0) & (pl.col("mapping_quality") >= 30)
        count = pb.scan_bam(request["bam"]).filter(kept).select(pl.len()).collect().item()
        seconds.append(time.perf_counter() - began)
    json.dump({"seconds": seconds, "count": count}, sys.stdout)


main()
