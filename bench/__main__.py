"""``python -m bench NAME [--quick]``: one JSON object on one line, progress on stderr."""

import argparse
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

_PARTS = ("__main__", "chains", "rows")
"""What benches are made of, and none themselves."""


def main() -> int:
    here = Path(__file__).parent
    modules = (info.name for info in iter_modules([str(here)]))
    names = {one.replace("_", "-"): one for one in modules if one not in _PARTS}
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=sorted(names))
    parser.add_argument("--quick", action="store_true", help="fewer rows and repeats")
    chosen = parser.parse_args()
    # Threads that spin while they wait count as CPU seconds, which say how busy the machine is and
    # not what was computed.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    measured = import_module(f"bench.{names[chosen.name]}").run(quick=chosen.quick)
    sys.stdout.write(json.dumps(measured, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
