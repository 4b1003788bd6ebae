"""Cases in which SST is told a memory's organisation and timings, and nothing of what it achieves."""
