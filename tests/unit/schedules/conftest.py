"""Airflow reads what it is told when it is first imported: a home of this run, and no other."""

import atexit
import os
import shutil
import tempfile
import warnings
from pathlib import Path

from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.stack.airflow import environment

_HOME = Settings(Path(tempfile.mkdtemp(prefix="lakehead-test-airflow-")), INSTALL_ROOT)
atexit.register(shutil.rmtree, _HOME.home, ignore_errors=True)

for _name, _value in environment(_HOME).items():
    if _name.startswith("AIRFLOW"):
        os.environ[_name] = _value
with warnings.catch_warnings():
    # Of Airflow's own imports.
    warnings.simplefilter("ignore")
    import airflow.sdk
    import airflow.sdk.bases.operator  # noqa: F401
