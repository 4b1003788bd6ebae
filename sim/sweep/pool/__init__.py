"""Points computed by warm worker processes."""
