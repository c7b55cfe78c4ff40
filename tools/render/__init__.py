"""Renders people with exact truth: the clips in `samples/` and pictures to train the built-in model on."""
