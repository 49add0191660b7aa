"""The prediction log of the gateway: written behind the answers, and every loss is known.

A gateway process writes its answers, a few times a second, into one SQLite database that all
gateway processes of an environment share (:mod:`.recorder`). Each row has a number that was issued
before it was queued, from a counter in a file that outlives the process (:mod:`.counter`); what was
issued and never committed is a gap (:mod:`.sessions`). What is older than some minutes moves into
immutable Parquet files (:mod:`.compaction`), and whoever reads sees both, each row once
(:mod:`.reading`).
"""
