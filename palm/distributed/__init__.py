"""Several processes: how ranks are started and watched, and what they say to each other."""
