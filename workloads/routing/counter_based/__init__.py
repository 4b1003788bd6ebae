"""Version 2 of how synthetic routing is drawn: every random number is a hash of a counter."""
