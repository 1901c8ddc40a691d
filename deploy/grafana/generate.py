"""Writes dashboards/*.json from the tables in panels.py; a test fails while they differ.

    python3 deploy/grafana/generate.py [DIRECTORY]
"""

import json
import pathlib
import sys

from panels import DASHBOARDS

HERE = pathlib.Path(__file__).resolve().parent
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, STAT, GRAPH = 24, (4, 4), (12, 8)


def target(number, query):
    expression, legend = query
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expression,
        "legendFormat": legend,
        "range": True,
        "refId": chr(ord("A") + number),
    }


def base(panel, kind, options, custom):
    defaults = {"unit": panel["unit"], "noValue": panel.get("empty", "no data"), "color": {"mode": "palette-classic"}}
    if custom:
        defaults["custom"] = custom
    for key in ("min", "max", "decimals"):
        if key in panel:
            defaults[key] = panel[key]
    steps = panel.get("steps", [])
    colours = [{"color": "green", "value": None}] + [{"color": colour, "value": value} for value, colour in steps]
    defaults["thresholds"] = {"mode": "absolute", "steps": colours}
    if kind == "stat":
        defaults["color"] = {"mode": "thresholds"}
    return {
        "type": kind,
        "title": panel["title"],
        "description": panel["says"],
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [target(number, query) for number, query in enumerate(panel["queries"])],
    }


def stat(panel):
    options = {
        "graphMode": "area",
        "colorMode": "value",
        "justifyMode": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return base(panel, "stat", options, None)


def timeseries(panel):
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    bars = panel.get("bars", False)
    custom = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 60 if bars else 10,
        "lineWidth": 1,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if bars else "none", "group": "A"},
    }
    return base(panel, "timeseries", options, custom)


def table(panel):
    made = base(panel, "table", {"frameIndex": 0, "showHeader": True}, {"align": "auto", "inspect": False})
    for each in made["targets"]:
        each.update({"instant": True, "range": False, "format": "table"})
    made["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": dict.fromkeys(panel["hidden"], True), "renameByName": panel["renamed"]}},
    ]
    return made


KINDS = {"stat": (stat, STAT), "timeseries": (timeseries, GRAPH), "table": (table, (24, 9))}


def placed(rows):
    """Panels from left to right and top to bottom, a heading above each row."""
    panels, y = [], 0
    for title, row in rows:
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": grid(0, y, WIDTH, 1)})
        x, y, tallest = 0, y + 1, 0
        for panel in row:
            make, (width, height) = KINDS[panel["kind"]]
            if x + width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            panels.append({**make(panel), "gridPos": grid(x, y, width, height)})
            x, tallest = x + width, max(tallest, height)
        y += tallest
    return [{**panel, "id": number} for number, panel in enumerate(panels, 1)]


def grid(x, y, width, height):
    return {"x": x, "y": y, "w": width, "h": height}


def variables(names):
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1}
    return [source] + [variable(*name) for name in names]


def variable(name, label, query):
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def annotations(queries):
    return [
        {
            "name": name,
            "enable": True,
            "iconColor": colour,
            "datasource": DATASOURCE,
            "expr": expression,
            "titleFormat": title,
            "step": "60s",
        }
        for name, colour, expression, title in queries
    ]


def dashboard(uid, one):
    links = {"type": "dashboards", "title": "Trailsight", "tags": ["trailsight"], "asDropdown": True, "includeVars": True,
             "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": ""}
    return {
        "uid": uid,
        "title": one["title"],
        "description": one["says"],
        "tags": ["trailsight"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "timezone": "browser",
        "links": [links],
        "templating": {"list": variables(one["variables"])},
        "annotations": {"list": annotations(one["annotations"])},
        "panels": placed(one["rows"]),
    }


def main():
    to = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards"
    to.mkdir(parents=True, exist_ok=True)
    for uid, one in DASHBOARDS.items():
        (to / f"{uid}.json").write_text(json.dumps(dashboard(uid, one), indent=2) + "\n")


if __name__ == "__main__":
    main()
