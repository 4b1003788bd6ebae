"""Published systems' rules, one file each, behind one interface (`moe_cosim.workloads.policies.base`)."""
