"""The run path: experiment, engines, timeline, metrics, results, reproductions, command line."""
