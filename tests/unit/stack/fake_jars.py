"""Jars of a few made-up classes."""

import zipfile
from pathlib import Path


def jar(path: Path, **classes: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in classes.items():
            archive.writestr(f"{name}.class", content)
    return path
