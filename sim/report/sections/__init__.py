"""What a report of runs has, in the order of reading: one file, one section."""
