"""Network: a `.pt` file made an OpenVINO network, without torch and without running anything in the file.

It knows the pose networks of YOLOv8, 11, 12 and 26 by their kinds of modules (`module`), and builds each kind
(`layers`, `attention`, `head`). What it builds has a sparse head and upsamples late, and gives the same answers as
ultralytics' export up to the rounding of sums.
"""
