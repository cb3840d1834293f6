"""The experiments of this entry point, each a module with one function `run(job)`.

Found by name: a new one is a module here, a YAML file in conf/experiment/ and a row in landscapes.config.schemas.
"""
