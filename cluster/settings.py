"""Settings that must stand in the environment of Ray and torch before they are imported.

Each was measured to matter; what a user has set already stays.
"""

import os

DEFAULTS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # a worker's reports are taken at this pace
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",  # the dashboard's Train page
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # or every print in a worker shows twice
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # or relative paths mean something else in a worker
    # A training thread that waits for another must not spin: on a machine that is also decoding,
    # spinning made a step of the demo 15 to 30 times slower (two threads on two busy cores).
    "OMP_WAIT_POLICY": "PASSIVE",
}
for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)
