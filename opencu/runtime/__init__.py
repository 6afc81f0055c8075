"""Device arrays, streams and events over the C core."""
