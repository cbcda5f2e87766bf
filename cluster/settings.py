"""Settings that must stand in the environment of Ray and torch before they are imported.

Each was measured to matter; what a user has set already stays.
"""

import os

DEFAULTS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # a worker's reports are taken at this pace
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",  # the dashboard's Train page
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # or every print in a worker shows twice
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # or relative paths mean something else in a worker
    # A process takes its next trial when the thread of the one before has ended. Where that took
    # longer than Tune's 2 s, the next was lost and a search of one at a time stood still for ever.
    # The process of a trial reads it, and imports this file through tune/trial.py.
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",
    # Where the head is lost, nodes end after 60 s, and the command would at the same moment, with
    # Ray's words. It has to outlive them and the 30 s in which a cluster may still answer.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "120",
    # A training thread that waits for another must not spin. Beside one busy process two spinning
    # threads took 8 times as long as a single thread for a step of the demo, two sleeping ones 1.9
    # times; on an idle machine spinning wins (0.66 against 1.13). 2 cores,
    # tests/benchmarks/thread_waiting.py.
    "OMP_WAIT_POLICY": "PASSIVE",
}
for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)


def worker_environment() -> dict[str, str]:
    """What must reach the workers of a cluster that this process did not start."""
    return {"OMP_WAIT_POLICY": os.environ["OMP_WAIT_POLICY"]}
