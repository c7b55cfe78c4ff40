#!/bin/sh
# pyxdf 1.17.5: one outage of five seconds in a camera's stream puts nearly all time stamps wrong, by up to 2.8 s.
#
# load_xdf straightens the stamps of a stream that has a nominal rate (dejitter_timestamps, on by default): one line through
# all of them. An outage of a second is to begin a new line, but it must also be of 500 samples. That is a second or less
# for the EEG amplifiers that LabRecorder's files mostly come from; for poses at 30 frames a second it is 16.7 s. So frames
# long before and after a shorter outage are moved against the other streams of the file. The log speaks of the rate only.
#
# Seen with pyxdf 1.17.5, NumPy 2.4.6, Python 3.11, Linux x86-64, for 900 samples of a 30 Hz stream:
#   no outage: 0 stamps more than a frame off   5 s: 886, up to 2.77 s   15 s: 895, up to 8.32 s   20 s: 0
# Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/site" pyxdf==1.17.5 numpy==2.4.6
PYTHONPATH="$folder/site" python3 - "$folder/poses.xdf" <<'PYTHON'
import logging
import struct
import sys

import numpy as np
import pyxdf

logging.disable(logging.WARNING)
RATE, COUNT, OUTAGE_AT = 30, 900, 300
INFO = (
    "<?xml version='1.0'?><info><name>poses</name><type>MoCap</type><channel_count>1</channel_count>"
    f"<nominal_srate>{RATE}</nominal_srate><channel_format>float32</channel_format><desc></desc></info>"
)


def chunk(tag, content):
    """A chunk of XDF: its length, what it is, and what is in it."""
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def recorded(times):
    """An XDF file of one stream, every sample with its own stamp."""
    number = struct.pack("<I", 1)
    samples = b"".join(b"\x08" + struct.pack("<df", time, index) for index, time in enumerate(times))
    footer = (
        f"<?xml version='1.0'?><info><first_timestamp>{times[0]}</first_timestamp>"
        f"<last_timestamp>{times[-1]}</last_timestamp><sample_count>{len(times)}</sample_count></info>"
    )
    return (
        b"XDF:" + chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")
        + chunk(2, number + INFO.encode())
        + chunk(3, number + b"\x04" + struct.pack("<I", len(times)) + samples)
        + chunk(6, number + footer.encode())
    )


def errors(outage):
    """How many stamps are more than a frame off, and the largest error in seconds."""
    times = 1000 + np.arange(COUNT) / RATE
    times[OUTAGE_AT:] += outage
    with open(sys.argv[1], "wb") as file:
        file.write(recorded(times))
    [stream], _ = pyxdf.load_xdf(sys.argv[1])
    off = np.abs(stream["time_stamps"] - times)
    return int((off > 1 / RATE).sum()), float(off.max())


found = {outage: errors(outage) for outage in (0, 5, 15, 20)}
for outage, (count, largest) in found.items():
    print(f"an outage of {outage} s: {count} of {COUNT} stamps more than a frame off, up to {largest:.2f} s")
same = found[0][0] == found[20][0] == 0 and min(found[5][0], found[15][0]) > 850 and found[5][1] > 2
print("as described" if same else "the behaviour has changed")
sys.exit(0 if same else 1)
PYTHON
