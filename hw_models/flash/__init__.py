"""Flash memory behind NVMe queues: pages, dies, commands, and the way to the GPU."""
