"""Units that come back: whom evidence may count, and whom it has counted already."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def in_first_block(unit: ArrayLike, block: ArrayLike) -> NDArray[np.bool_]:
    """Which rows lie in the first block in which their unit is seen.

    A unit whose rows resemble each other would make blocks resemble each other, and the evidence
    of many blocks would be the evidence of few units said again. So a unit contributes in one
    block, its first, and nothing later.

    The answer is derived from all rows since the evidence began, which the log of answers has
    anyway. To carry it from look to look instead, the state would have to hold every unit ever
    seen: it would grow without bound, or forget (and forgetting counts a unit twice).

    Args:
        unit: ``[n]`` ids.
        block: ``[n]`` names that sort as the blocks do.

    Returns:
        ``bool[n]``; rows of units first seen in a block, all of them.
    """
    units, _ = pd.factorize(np.asarray(unit, dtype=object))
    blocks, _ = pd.factorize(np.asarray(block, dtype=object), sort=True)
    if not units.size:
        return np.zeros(0, dtype=np.bool_)
    first = np.full(units.max() + 1, blocks.max() + 1, dtype=np.intp)
    np.minimum.at(first, units, blocks)
    return np.asarray(blocks == first[units], dtype=np.bool_)
