#!/usr/bin/env python3
"""Runs the queries on the fixture and compares what they write with fixture/counts.tsv.

    python3 -m venv venv && venv/bin/pip install duckdb chdb && venv/bin/python check.py

The engine's own test `ingest::table::tests::the_queries_count_as_the_engine_does` compares that table with what
the engine counts of the same files, and here it is compared with a count by the standard library alone. Exits 1 on
a difference, and when an engine is not installed.

`--write DIR` leaves what each engine wrote in DIR; `--logs GLOB` reads other files and leaves the table out.
Athena cannot be run here: its query has been read beside the others, no more.
"""

import argparse
import collections
import csv
import glob
import gzip
import json
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FIXTURE = str(HERE / "fixture" / "AWSLogs" / "*" / "CloudTrail" / "**" / "*.json")
COLUMNS = "minute account region source name category readOnly errorCode principal userAgent".split()
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}


def duckdb(logs, out):
    import duckdb

    path = out / "duckdb.csv"
    connection = duckdb.connect()
    connection.execute("SET VARIABLE logs = '%s'" % logs.replace("'", "''"))
    connection.execute("SET VARIABLE counts = '%s'" % str(path).replace("'", "''"))
    connection.execute((HERE / "duckdb.sql").read_text())
    with path.open(newline="") as lines:
        return table(csv.DictReader(lines))


def clickhouse(logs, out):
    import chdb

    result = chdb.query((HERE / "clickhouse.sql").read_text(), params={"logs": logs})
    path = out / "clickhouse.tsv"
    path.write_bytes(result.bytes())
    return read_tsv(path)


def by_hand(logs, out):
    rows, seen = collections.Counter(), set()
    for path in sorted(glob.glob(logs, recursive=True)):
        for record in json.loads(opened(path).read())["Records"]:
            row = row_of(record, path)
            key = (record.get("eventID"), row[0])
            if row[5] not in ("Management", "Data") or key[0] and key in seen:
                continue
            seen.add(key)
            rows[row] += 1
    return rows


def opened(path):
    return gzip.open(path, "rt") if path.endswith(".gz") else open(path)


def row_of(record, path):
    identity = record.get("userIdentity") or {}
    issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
    key = re.search(r"AWSLogs/(?:o-[^/]+/)?([^/]+)/[^/]+/([^/]+)/", path)
    arn = identity.get("arn") or ""
    role = re.match(r"(arn:.*?:assumed-role/[^/]*)/", arn)
    principal = identity.get("principalId") or ""
    callers = [
        role.group(1) if role else arn,
        issuer.get("arn"),
        identity.get("invokedBy"),
        principal.split(":")[0] if principal.startswith("AROA") else principal,
        identity.get("userName"),
        identity.get("accountId"),
        identity.get("type"),
    ]
    category = "Data" if record.get("managementEvent") is False else "Management"
    read_only = record.get("readOnly")
    return (
        record["eventTime"][:16] + ":00Z",
        record.get("recipientAccountId") or identity.get("accountId") or key.group(1),
        record.get("awsRegion") or key.group(2),
        record["eventSource"],
        record["eventName"],
        record.get("eventCategory") or category,
        "" if read_only is None else str(read_only).lower(),
        record.get("errorCode") or "",
        next((caller for caller in callers if caller), ""),
        re.sub(r"[\r\n]", " ", record.get("userAgent") or ""),
    )


def read_tsv(path):
    lines = path.read_text().splitlines()
    names = lines[0].split("\t")
    return table(dict(zip(names, map(unescape, line.split("\t")))) for line in lines[1:])


def unescape(field):
    if field == "\\N":
        return ""
    return re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape.group(1), escape.group(1)), field)


def table(rows):
    counted = collections.Counter()
    for row in rows:
        counted[tuple(row[name] for name in COLUMNS)] += int(row["calls"])
    return counted


def compare(name, found, expected):
    missing, extra = expected - found, found - expected
    for sign, rows in (("-", missing), ("+", extra)):
        for row, calls in sorted(rows.items()):
            print(f"{name}: {sign} {calls} {row}")
    print(f"{name}: {sum(found.values())} calls in {len(found)} rows, {'DIFFERENT' if missing or extra else 'the same'}")
    return not missing and not extra


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", default=FIXTURE)
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.write or pathlib.Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        expected = by_hand(arguments.logs, out)
        same = True
        if arguments.logs == FIXTURE:
            same = compare("fixture/counts.tsv", read_tsv(HERE / "fixture" / "counts.tsv"), expected)
        for engine in (duckdb, clickhouse):
            try:
                found = engine(arguments.logs, out)
            except ModuleNotFoundError as error:
                sys.exit(f"{error.name} is not installed: pip install duckdb chdb")
            same &= compare(engine.__name__, found, expected)
    if not expected:
        sys.exit(f"no records under {arguments.logs}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
