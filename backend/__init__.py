"""From a request to saved pictures. In reading order:

request → fields, infotext → plan → job → (workers → generate → conditioning, sampling, networks, checkpoints) → service → images.

Only generate, conditioning, sampling, networks, checkpoints and workers.engine know torch.
"""
