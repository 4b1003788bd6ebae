"""Systems that compute experts on the CPU as well."""
