"""The steps of a rollout: each reads the world, lets the core decide, and writes one event.

Steps know ports, not adapters, and no orchestrator: `tasks/` wraps each with retries, and tests
run them as they are.
"""
