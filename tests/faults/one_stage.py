"""Run one stage of the road in a process of its own, as a task of Airflow does: `python -m tests.faults.one_stage silver`."""

from __future__ import annotations

import logging
import sys

from warehouse.settings import load_settings
from warehouse.stages import STAGES

if __name__ == "__main__":
    (stage,) = (stage for stage in STAGES if stage.name == sys.argv[1])
    print(stage.run(load_settings(), logging.info))
