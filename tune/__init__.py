"""How runs are chosen: spaces, trials, the study of a search, its report."""
