"""Serve: a page that shows a run in a browser, with its keypoints; imported only with `--serve`."""
