"""A rollout: its plan, its events, what they come to, and what is next."""
