"""The batch systems that are known, a file each."""
