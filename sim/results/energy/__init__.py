"""What a run took in joules, from its events and the figures of the machine's parts."""
