"""``python -m bench.chaos [--quick] [--points PATTERN ...] [--list]``: one JSON object on one line.

It ends with 0 where everything recovered and nothing was lost, else with 1.
"""

import argparse
import json
import sys

from bench.chaos import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few points, in five minutes")
    parser.add_argument(
        "--points", metavar="PATTERN", nargs="+", default=(), help="only points named like these"
    )
    parser.add_argument("--list", action="store_true", help="name the points, and end")
    chosen = parser.parse_args()
    if chosen.list:
        from bench.chaos.points import all_points

        sys.stdout.writelines(f"{one}\n" for one in all_points())
        return 0
    found = run(quick=chosen.quick, patterns=chosen.points)
    sys.stdout.write(json.dumps(found, allow_nan=False) + "\n")
    zeros = ("split_brain", "lost_events", "promoted_without_verdict")
    good = found["recovered"] == found["points"] and not any(found[name] for name in zeros)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
