"""Find a Java 17."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from lakehead.errors import UserError

REQUIRED_MAJOR = 17
_HINT = "sudo apt-get install openjdk-17-jre-headless, or set JAVA_HOME to a Java 17"


def java_home() -> Path:
    """The home of the Java to use: ``JAVA_HOME``, else that of ``java`` on the path.

    Raises:
        UserError: none is found, or it is older than 17.
    """
    if configured := os.environ.get("JAVA_HOME"):
        binary = Path(configured) / "bin" / "java"
        if not binary.exists():
            raise UserError(f"JAVA_HOME is {configured!r}, which has no bin/java", _HINT)
    elif found := shutil.which("java"):
        binary = Path(found).resolve()
    else:
        raise UserError("Java is missing; Kafka, Flink and Spark need Java 17", _HINT)
    major = java_major(binary)
    if major < REQUIRED_MAJOR:
        raise UserError(f"{binary} is Java {major}, expected {REQUIRED_MAJOR} or later", _HINT)
    return binary.parent.parent


def java_major(binary: Path) -> int:
    """The major version that ``java -version`` states, 0 if it states none or does not run."""
    try:
        done = subprocess.run([binary, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    match = re.search(r'version "(\d+)(?:\.(\d+))?', done.stderr)
    if not match:
        return 0
    return int(match[2] or 0) if match[1] == "1" else int(match[1])
