"""What every REST interface of the mesh shares: the app, one error shape, keys, waiting."""
