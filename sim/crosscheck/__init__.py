"""The two engines on the same programs: named cases, errors, and what real SST said, as data."""
