"""A split for tests in which nothing turns on one."""

import numpy as np
import pandas as pd


class Everything:
    """Holds nothing back: all events train."""

    columns = ()

    def __call__(self, frame: pd.DataFrame) -> np.ndarray:
        return np.zeros(len(frame), np.int8)
