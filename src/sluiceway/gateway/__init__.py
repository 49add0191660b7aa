"""The serving data plane: listens, loads, answers, logs."""
