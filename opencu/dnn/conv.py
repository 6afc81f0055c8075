conv=None
