"""Bodies of requests and answers in the protocols that clients speak: read and written, no I/O.

Each protocol turns a body into a :class:`~sluiceway.serving.protocols.tables.Table` and a reply
into a body; :mod:`~sluiceway.serving.protocols.asking` makes the question in between.
"""
