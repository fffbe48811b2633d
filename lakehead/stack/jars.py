"""The jars: are they those of ``jvm/jars.lock``, and does one hide a class of another?"""

import hashlib
import zipfile
from collections import defaultdict
from pathlib import Path

# Pairs that ship with Spark, or are shaded in Iceberg's Spark runtime: Spark's jar comes first on
# the class path and neither side uses what differs.
_KNOWN_CLASHES = (
    {"hive-common", "hive-storage-api"},
    {"javax.jdo", "jdo-api"},
    {"iceberg-spark-runtime", "jts-core"},
)


def check_lock(folder: Path, lock: Path) -> list[str]:
    """What is missing, changed or unknown under ``folder``, a line each; empty when all is well.

    ``lock`` is in the format of ``sha256sum``; our own jar is not in it.
    """
    lines = [line.split("  ", 1) for line in lock.read_text().splitlines()]
    locked = {name: checksum for checksum, name in lines}
    present = {
        str(jar.relative_to(folder)): jar
        for jar in folder.rglob("*.jar")
        if not jar.name.startswith("lakehead-")
    }
    found = [f"{name} is missing" for name in sorted(set(locked) - set(present))]
    found += [f"{name} is not in the lock" for name in sorted(set(present) - set(locked))]
    for name in sorted(set(locked) & set(present)):
        if hashlib.sha256(present[name].read_bytes()).hexdigest() != locked[name]:
            found.append(f"{name} has another checksum than the lock")
    return found


def clashes(class_path: list[Path]) -> list[str]:
    """Pairs of jars that hold different classes of one name, with how many and an example."""
    checksums: dict[str, dict[str, int]] = defaultdict(dict)
    for jar in class_path:
        with zipfile.ZipFile(jar) as archive:
            for entry in archive.infolist():
                if _is_class(entry.filename):
                    checksums[entry.filename][jar.name] = entry.CRC
    differing: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, by_jar in checksums.items():
        if len(set(by_jar.values())) > 1:
            differing[tuple(sorted(by_jar))].append(name)
    return [
        f"{' and '.join(jars)} differ in {len(names)} classes, such as {min(names)}"
        for jars, names in sorted(differing.items())
        if not _is_known(jars)
    ]


def _is_class(name: str) -> bool:
    beside = ("module-info.class", "package-info.class")
    return name.endswith(".class") and not name.endswith(beside) and not name.startswith("META-INF")


def _is_known(jars: tuple[str, ...]) -> bool:
    return any(
        len(jars) == len(pair) and all(any(j.startswith(p) for j in jars) for p in pair)
        for pair in _KNOWN_CLASHES
    )
