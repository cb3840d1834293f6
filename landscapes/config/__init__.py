"""The border between command lines and the library: from YAML and `key=value` to one validated `Job`.

Knows Hydra, OmegaConf and the published spelling; nothing past it does. JAX is imported nowhere in here.
"""
