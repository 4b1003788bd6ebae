"""The programs of the suite in which SST is fed, and what programs of both suites are made of."""
