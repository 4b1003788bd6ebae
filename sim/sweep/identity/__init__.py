"""What makes two points the same: the resolved experiment, the files it reads and the sources that run it."""
