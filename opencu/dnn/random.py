random=None
