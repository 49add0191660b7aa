"""The declared graph and the file it is read from."""
