"""Measurements that anybody can repeat: ``python -m bench NAME`` prints one JSON object."""
