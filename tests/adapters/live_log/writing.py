"""A gateway's process as far as the log goes: answers, posts labels, and is killed for it.

``python -m tests.adapters.live_log.writing FOLDER SEED`` answers units ``SEED-0``, ``SEED-1`` …
without end. It prints the numbers of what it has answered and of each label that was acknowledged.
"""

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
        print("began", recorder.session, flush=True)
        for number in count():
            # One in thirty asks for more at once than may wait.
            units = [f"{seed}-{number}-{k}" for k in range(250 if number % 30 == 29 else 3)]
            asked = question(*units, after=number / 1000)
            recorder.record(asked, answers(asked))
            print("answered", number, len(units), flush=True)
            if number % 10 == 9:
                label = LabelRow(
                    unit=units[0], source="s", column="y", value=1.0, known_at=0,
                    event_time=0, mature_at=micros(datetime.now(UTC) + timedelta(days=1)),
                )  # fmt: skip
                store.post([label], now=datetime.now(UTC))
                print("label", units[0], flush=True)
            time.sleep(0.0005)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
