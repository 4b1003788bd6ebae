"""How people see what a run found out: names, units and colours, the same in figures and reports."""
