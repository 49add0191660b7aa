"""The processes of a deployed system, as a file declares them."""
