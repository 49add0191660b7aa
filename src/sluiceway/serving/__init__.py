"""What it takes to answer live requests, decided without I/O.

The gateway (:mod:`sluiceway.gateway`) listens, loads and logs; what an answer is made of, who gives
it, and what stands in where nobody can, is worked out here.
"""
