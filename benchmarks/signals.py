"""Time and memory of reading a recording of sensors, by its length: 50 columns at 1,000 samples per second.

python benchmarks/signals.py --hours 0.25 0.5 1
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rcl.data.signals.opening import open_recording

RATE, COLUMNS = 1_000, 50
_REPEATED_ROWS = 10_000
_FORMATS = ("csv", "parquet")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, nargs="+", default=[0.25, 0.5, 1])
    parser.add_argument("--formats", nargs="+", choices=_FORMATS, default=_FORMATS)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)  # one file, in a process of its own
    return parser.parse_args()


def made(folder, hours, file_format):
    """A recording of random values, which repeat every ten seconds so that it is made quickly."""
    rows = round(hours * 3600 * RATE)
    values = np.random.default_rng(0).normal(size=(_REPEATED_ROWS, COLUMNS)).round(4)
    path = folder / f"recording.{file_format}"
    names = [f"c{column}" for column in range(COLUMNS)]
    if file_format == "csv":
        tails = [",".join(map(str, row)) for row in values.tolist()]
        with path.open("w") as file:
            file.write(",".join(["time", *names]) + "\n")
            file.writelines(f"{row / RATE:.3f},{tails[row % _REPEATED_ROWS]}\n" for row in range(rows))
        return path
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, pyarrow.float32()) for name in names]).insert(
        0, pyarrow.field("time", pyarrow.float64())
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for first in range(0, rows, 100 * _REPEATED_ROWS):
            count = min(rows - first, 100 * _REPEATED_ROWS)
            columns = [np.resize(values[:, column], count).astype(np.float32) for column in range(COLUMNS)]
            writer.write_table(pyarrow.table([np.arange(first, first + count) / RATE, *columns], schema=schema))
    return path


def read(path):
    """Seconds of processor time, and the highest memory of the process, of which Python and its packages are a part."""
    started, samples = time.process_time(), 0
    for block in open_recording(path).blocks():
        samples += len(block.times_seconds)
    seconds = time.process_time() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"samples": samples, "cpu_seconds": seconds, "peak_mb": peak_mb}


def main():
    arguments = parse_arguments()
    if arguments.read:
        print(json.dumps(read(arguments.read)))
        return
    numbers = {}
    for file_format in arguments.formats:
        for hours in arguments.hours:
            with tempfile.TemporaryDirectory() as folder:
                path = made(Path(folder), hours, file_format)
                command = [sys.executable, __file__, "--read", str(path)]
                found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
                found["file_mb"] = path.stat().st_size / 1e6
            numbers[f"{file_format} {hours:g} h"] = found
            print(
                f"{file_format:>8} {hours:5g} h  {found['file_mb']:7,.0f} MB of file  "
                f"{found['cpu_seconds']:6.1f} s of processor time  {found['peak_mb']:5.0f} MB of memory"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
