"""A gateway's process as far as the log goes: answers, posts labels, and is killed for it.

``python -m tests.adapters.live_log.writing FOLDER`` begins one for each line that it reads, the
seed of its units, and says when it has ended. Each prints how much it has answered, and each label
that was acknowledged.
"""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from sluiceway.adapters.labels.store import LabelRow, LabelStore
from sluiceway.adapters.live_log.recorder import LiveRecorder
from sluiceway.serving.keeping import Keeping
from sluiceway.serving.rows import micros
from tests.serving.questions import answers, question


def main(folder: Path, seed: str) -> None:
    store = LabelStore(folder / "labels.db")
    with LiveRecorder(folder / "log.db", Keeping(), queue_rows=200, interval=0.02) as recorder:
        _say(f"began {recorder.session} {os.getpid()}")
        for number in count():
            # One in thirty asks for more at once than may wait.
            units = [f"{seed}-{number}-{k}" for k in range(250 if number % 30 == 29 else 3)]
            asked = question(*units, after=number / 1000)
            recorder.record(asked, answers(asked))
            _say(f"answered {number} {len(units)}")
            if number % 10 == 9:
                label = LabelRow(
                    unit=units[0], source="s", column="y", value=1.0, known_at=0,
                    event_time=0, mature_at=micros(datetime.now(UTC) + timedelta(days=1)),
                )  # fmt: skip
                store.post([label], now=datetime.now(UTC))
                _say(f"label {units[0]}")
            time.sleep(0.0005)


def _say(line: str) -> None:
    """In one write, which a kill leaves out or whole: what is printed may come in pieces."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    for line in sys.stdin:
        # Forked, so that only one process has to import everything.
        child = os.fork()
        if not child:
            main(Path(sys.argv[1]), line.strip())
        os.waitpid(child, 0)
        _say("\nended")
