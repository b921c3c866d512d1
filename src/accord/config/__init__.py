"""Config meets pipeline: params.yaml selects from conf/, and conf.lock.yaml holds what the stages read."""
