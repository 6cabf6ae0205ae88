"""The pysam side of the benchmark: the loops that people write over regions.

Reads {"bam": path, "regions": [[contig, start, end], ...]} from standard input, 0-based and half-open, runs
the mode named on the command line and prints one JSON object.
"""

import json
import sys
import time

import pysam


def columns(read):
    """Every field of a record, as a program that uses them all would take them."""
    return (
        read.query_name, read.flag, read.reference_name, read.reference_start, read.reference_end,
        read.mapping_quality, read.cigarstring, read.next_reference_name, read.next_reference_start,
        read.template_length, read.query_sequence, read.query_qualities, read.get_tags(with_value_type=True),
    )


def counts(bam, regions):
    began = time.perf_counter()
    found = [bam.count(contig, start, end) for contig, start, end in regions]
    return {"seconds": time.perf_counter() - began, "counts": found}


def all_columns(bam, regions):
    began = time.perf_counter()
    rows = 0
    for contig, start, end in regions:
        rows += len([columns(read) for read in bam.fetch(contig, start, end)])
    return {"seconds": time.perf_counter() - began, "rows": rows}


def each(bam, regions):
    """One region at a time: fetching alone, and fetching with every field taken."""
    fetched, taken, rows = [], [], 0
    for contig, start, end in regions:
        began = time.perf_counter()
        rows += sum(1 for _ in bam.fetch(contig, start, end))
        fetched.append(time.perf_counter() - began)
        began = time.perf_counter()
        for read in bam.fetch(contig, start, end):
            columns(read)
        taken.append(time.perf_counter() - began)
    return {"fetch": fetched, "columns": taken, "rows": rows}


def main():
    request = json.load(sys.stdin)
    with pysam.AlignmentFile(request["bam"], "rb") as bam:
        mode = {"counts": counts, "all_columns": all_columns, "each": each}[sys.argv[1]]
        json.dump(mode(bam, request["regions"]), sys.stdout)


main()
