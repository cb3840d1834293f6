"""The experiments of this entry point, each a module with one function `run(job)`.

Found by the kind that an experiment's YAML says: a new one is a module here, a file in conf/experiment/ and a row in
landscapes.config.kinds.
"""
