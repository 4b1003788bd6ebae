"""Published systems' rules, one file each, behind one interface (`workloads.policies.base`)."""
