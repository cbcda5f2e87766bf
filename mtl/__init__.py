"""Multi-task vision models for maritime video: the science, in plain PyTorch.

Nothing below this package imports Ray; `cluster` places its runs on a cluster, `tune` chooses them.
"""
