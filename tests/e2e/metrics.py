#!/usr/bin/env python3
"""/metrics of a node in a network: its form, and everything that names what stands there: the table, the dashboard, the alerts.

  metrics.py SILLOK SILLOKD SOURCE_DIR          (TAP)
  metrics.py --table SILLOK SILLOKD SOURCE_DIR  prints the table of net/operations/METRICS.md as it should be
"""
import json
import os
import re
import shutil
import subprocess
import sys

from network import READY_S, Net, check, net_main, skip, wait_for
from witness import Key, vkey

TABLE = "net/operations/METRICS.md"
HANDBOOK = "net/operations/HANDBOOK.md"
DASHBOARD = "net/operations/dashboard.json"
ALERTS = "net/operations/alerts.yml"
ALERT_TESTS = "net/operations/alerts_test.yml"
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{NAME}="(?:[^"\\\n]|\\["\\n])*"(?:,(?!\}})|(?=\}})))*)\}})? (-?[0-9]+(?:\.[0-9]+)?)')
UNITS = ("_seconds", "_bytes")
# What Prometheus adds, and what belongs to its functions, is no metric of ours.
METRIC_IN_EXPRESSION = re.compile(r"\b((?:sillok|process)_[a-z0-9_]+)")
SUFFIXES = ("_bucket", "_sum", "_count")


class Family:
    def __init__(self, help):
        self.help, self.type, self.samples = help, None, []


def parse(text):
    """({name: Family}, findings): Prometheus' text format 0.0.4, read strictly: HELP, TYPE, then samples of that family alone."""
    families, wrong, now = {}, [], None
    for line in text.splitlines():
        m = re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line)
        if m:
            if m.group(1) in families:
                wrong.append(f"{m.group(1)} comes twice")
            now, families[m.group(1)] = m.group(1), Family(m.group(2))
            continue
        m = re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line)
        if m:
            if m.group(1) != now or families[now].type:
                wrong.append(f"{line}: not behind its HELP")
            families.setdefault(m.group(1), Family("")).type = m.group(2)
            continue
        m = SAMPLE.fullmatch(line)
        if not m or now is None:
            wrong.append(f"no sample: {line}")
            continue
        name, labels, value = m.group(1), dict(re.findall(rf'({NAME})="((?:[^"\\]|\\.)*)"', m.group(2) or "")), float(m.group(3))
        base = re.sub(r"_(bucket|sum|count)$", "", name) if families[now].type == "histogram" else name
        if base != now:
            wrong.append(f"{name} stands under {now}")
        if any((name, labels) == (n, l) for n, l, _ in families[now].samples):
            wrong.append(f"{line}: the same twice")
        families[now].samples.append((name, labels, value))
    return families, wrong


def lint(families):
    """The conventions of Prometheus' own `promtool check metrics`, and ours."""
    wrong = []
    for name, f in families.items():
        if not f.type or not f.help.endswith(".") or not f.samples and f.type != "histogram" and "requests" not in name:
            wrong.append(f"{name}: type, help or samples lack")
        if (f.type == "counter") != name.endswith("_total"):
            wrong.append(f"{name}: counters, and they alone, end with _total")
        if f.type != "histogram" and name.endswith(SUFFIXES):
            wrong.append(f"{name}: that ending is a histogram's")
        if re.search(r"_(ms|milliseconds|us|microseconds|minutes|kb|mb|kilobytes)\b", name) or re.search("[A-Z]", name):
            wrong.append(f"{name}: seconds and bytes, in small letters")
        if f.type == "histogram" and not name.endswith(UNITS):
            wrong.append(f"{name}: no unit at its end")
        if f.type == "histogram":
            wrong += histogram(name, f)
        if f.type == "counter" and any(v < 0 for _, _, v in f.samples):
            wrong.append(f"{name}: below zero")
    return wrong


def histogram(name, f):
    """Buckets that ascend and end with +Inf, which is the count."""
    wrong, series = [], {}
    for n, labels, value in f.samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        series.setdefault(key, {})[labels.get("le", n[len(name):])] = value
    for key, s in series.items():
        buckets = [(float(k.replace("+Inf", "inf")), v) for k, v in s.items() if not k.startswith("_")]
        if buckets != sorted(buckets) or [v for _, v in buckets] != sorted(v for _, v in buckets) or "+Inf" not in s:
            wrong.append(f"{name}{key}: buckets do not ascend to +Inf")
        elif s.get("_count") != s["+Inf"] or "_sum" not in s:
            wrong.append(f"{name}{key}: the count is not +Inf's, or the sum lacks")
    return wrong


def rows(families):
    """The table's lines, by what is there: labels without those of Prometheus' own making."""
    out = []
    for name, f in sorted(families.items()):
        labels = sorted({k for _, l, _ in f.samples for k in l if k != "le"})
        out.append(f"| `{name}` | {f.type} | {', '.join(labels)} | {f.help} |")
    return out


def used(expression):
    return {re.sub(r"_(bucket|sum|count)$", "", n) if n.endswith(SUFFIXES) else n for n in METRIC_IN_EXPRESSION.findall(expression)}


def anchor(heading):
    """As GitHub and its like make it of a heading."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def alerts(text):
    """[{alert, expr, severity, runbook}]: the few forms of YAML that our file uses; promtool reads the whole language."""
    out = []
    for line in text.splitlines():
        m = re.fullmatch(r"\s*(?:- )?(alert|expr|severity|runbook|for|summary): (.*)", line)
        if m and m.group(1) == "alert":
            out.append({})
        if m and out:
            out[-1][m.group(1)] = m.group(2)
    return out


def panels(dashboard):
    for p in dashboard["panels"]:
        yield p
        yield from p.get("panels", [])


def check_dashboard(dashboard, names):
    wrong, ids, cells = [], set(), set()
    for key in ("title", "uid", "schemaVersion", "panels", "templating", "time", "refresh", "tags"):
        if key not in dashboard:
            wrong.append(f"no {key}")
    if dashboard.get("id") is not None:
        wrong.append("id is the importing Grafana's to give")
    for p in panels(dashboard):
        if p["id"] in ids:
            wrong.append(f"panel {p['id']} twice")
        ids.add(p["id"])
        box = p["gridPos"]
        area = {(x, y) for x in range(box["x"], box["x"] + box["w"]) for y in range(box["y"], box["y"] + box["h"])}
        if box["x"] + box["w"] > 24 or cells & area:
            wrong.append(f"{p['title']}: lies on another one, or outside")
        cells |= area
        if p["type"] == "row":
            continue
        if p["type"] not in ("timeseries", "stat", "table", "heatmap") or not p.get("targets"):
            wrong.append(f"{p['title']}: type or targets")
        if p["type"] in ("stat", "timeseries") and "thresholds" not in p["fieldConfig"]["defaults"]:
            wrong.append(f"{p['title']}: no thresholds")
        if not p.get("description"):
            wrong.append(f"{p['title']}: no description")
        for t in p.get("targets", []):
            if t["datasource"].get("uid") != "${source}" or not used(t["expr"]):
                wrong.append(f"{p['title']}: source or expression")
            wrong += [f"{p['title']}: {n} is no metric" for n in used(t["expr"]) - names]
    return wrong


def as_rules(dashboard):
    """The dashboard's expressions as a file of rules, which is what promtool reads."""
    expressions = [t["expr"].replace("$node", ".*").replace("$__rate_interval", "5m") for p in panels(dashboard) for t in p.get("targets", [])]
    return json.dumps({"groups": [{"name": "dashboard", "rules": [{"record": f"panel:{i}", "expr": e} for i, e in enumerate(expressions)]}]})


def promtool(what, *args, text=None):
    """Prometheus' own judge, where it is installed: the Debian package is large, and not one of tools/setup."""
    program = shutil.which("promtool")
    if program is None:
        print(f"# skipped: {what}: promtool is not installed (Debian package prometheus)")
        skip(what, "no promtool")
        return
    r = subprocess.run([program, *args], input=text, capture_output=True, text=True)
    check(what, r.returncode == 0, r.stdout, r.stderr)


def main(argv):
    want_table = argv[1:2] == ["--table"]
    sillok, sillokd, source = argv[2:] if want_table else argv[1:]

    def read(name):
        with open(os.path.join(source, name)) as f:
            return f.read()

    def test(net):
        lists = net.path("keys") + "/lists.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", lists], check=True, capture_output=True)
        os.chmod(lists, 0o600)
        with open(net.nodes[0].config, "a") as f:
            f.write(f"[status]\nlist_key = {lists}\nuri = https://test.example/v1/status-lists\n")
            f.write(f"[witnesses]\nnobody = {vkey('witness.example/nobody', 4, Key(bytes(32)).public)} http://127.0.0.1:1/w\n")
        net.start()
        net.wait_connected()
        net.submit_some(net.nodes[:1], 8)
        stale = net.submissions[0]  # the same again is a duplicate; another event in its place is refused
        net.nodes[0].submit(stale)
        net.nodes[0].submit(net.sign(1, device="other")[0])
        net.nodes[0].request("POST", "/v1/proofs", json.dumps({"credential": net.handle(0)}), {"Content-Type": "application/json"})
        net.nodes[0].request("GET", "/v1/status-lists/2/0", headers={"Accept": "application/statuslist+jwt"})
        net.nodes[0].request("GET", "/nowhere")
        wait_for(lambda: net.nodes[0].metrics().get("sillok_cosigned_height", 0) > 0, READY_S)
        code, body = net.nodes[0].request("GET", "/metrics")
        text = body.decode()
        families, wrong = parse(text)
        if want_table:
            print("\n".join(rows(families)))
            return
        check("every line is Prometheus' text format", code == 200 and not wrong, *wrong)
        wrong = lint(families)
        check("names, types and units are as Prometheus' users expect", not wrong, *wrong)
        promtool("promtool finds nothing to complain of", "check", "metrics", text=text)
        secret = [s for s in (net.handle(0), "127.0.0.1", net.root) if s in text or s[:16] in text]
        check("no handle, no address and no path stands in it", not secret, *secret)
        values = net.nodes[0].metrics()
        told = {'sillok_submissions_refused_total{rule="SEQUENCE"}': 1, 'sillok_submissions_total{outcome="duplicate"}': 1,
                "sillok_submission_finality_seconds_count": 8, "sillok_credentials": 8, "sillok_status_lists": 1,
                "sillok_status_list_signed_total": 1, "sillok_http_proofs_total": 1,
                'sillok_http_request_duration_seconds_count{method="POST",route="/v1/proofs"}': 1}
        wrong = [f"{k}: {values.get(k)}, not {v}" for k, v in told.items() if values.get(k) != v]
        check("what was done is counted once", not wrong, *wrong)
        less = ["sillok_sync_duration_seconds_count", "sillok_sync_duration_seconds_sum", "sillok_store_file_bytes",
                "sillok_disk_free_bytes", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds",
                "sillok_receipts_given_total", "sillok_block_finality_seconds_count"]
        check("what must be above zero is", all(values.get(k, 0) > 0 for k in less), *[f"{k}: {values.get(k)}" for k in less])

        table = [l for l in read(TABLE).splitlines() if l.startswith("| `")]
        should = rows(families)
        check("the table names all of them, and nothing else", table == should, "tests/e2e/metrics.py --table prints it; differing:",
              *sorted(set(table) ^ set(should)))
        names = set(families)
        dashboard = json.loads(read(DASHBOARD))
        wrong = check_dashboard(dashboard, names)
        check("the dashboard is whole and shows what there is", not wrong, *wrong)
        promtool("promtool reads its expressions", "check", "rules", "/dev/stdin", text=as_rules(dashboard))
        rules = alerts(read(ALERTS))
        headings = {anchor(m) for m in re.findall(r"^#+ (.*)", read(HANDBOOK), re.M)}
        wrong = [f"{r['alert']}: {n} is no metric" for r in rules for n in used(r.get("expr", "")) - names]
        wrong += [f"{r['alert']}: severity" for r in rules if r.get("severity") not in ("page", "ticket")]
        wrong += [f"{r['alert']}: {r.get('runbook')}: no such section" for r in rules
                  if not r.get("runbook", "").startswith("HANDBOOK.md#") or r["runbook"].split("#")[1] not in headings]
        check("every alert asks for metrics that exist, and has its section of the handbook", len(rules) > 15 and not wrong, *wrong)
        unnamed = [r["alert"] for r in rules if f"`{r['alert']}`" not in read(HANDBOOK)]
        check("the handbook names every alert", not unnamed, *unnamed)
        promtool("promtool reads the rules", "check", "rules", os.path.join(source, ALERTS))
        promtool("and they fire when they should", "test", "rules", os.path.join(source, ALERT_TESTS))

    return net_main("metrics", lambda root: Net(root, sillok, sillokd, submissions=8), test)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
