"""Of machines, devices, models, plug-ins and routing traces."""
