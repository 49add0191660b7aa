"""Labels that are posted: kept before they are acknowledged, read like any table of labels."""
